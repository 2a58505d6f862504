"""What a finished run leaves for people: plots, pictures of predictions, report.html, model_card.md."""
