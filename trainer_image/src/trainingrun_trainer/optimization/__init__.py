"""How weights move: the optimizer, its learning rate, averages of weights, and what is frozen meanwhile."""
