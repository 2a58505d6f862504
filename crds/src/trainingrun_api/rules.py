"""What may change once a run exists, and when: rules over the old and the new object.

They stand on the parent of a field: a rule on an optional field itself would not see it come or go.
"""

from trainingrun_api.model import Rule


def immutable(field: str, parent: str = "spec") -> Rule:
    """The field stays as it was created; ``parent`` is the path of the model that holds the rule."""
    return Rule(
        _same(f"self.{field}", f"oldSelf.{field}"),
        f"{parent}.{field} cannot change once the run exists: create a run of another name, or delete this "
        "one first",
        f".{field}",
    )


def movable_while_suspended(field: str) -> Rule:
    """The field of the spec stays unless the run was suspended before the change."""
    return Rule(
        f"oldSelf.suspend || {_same(f'self.{field}', f'oldSelf.{field}')}",
        f"spec.{field} can change only while the run is suspended: set spec.suspend to true first",
        f".{field}",
    )


def _same(new: str, old: str) -> str:
    """CEL: both are absent, or both are there and equal; in few steps: each write of a status takes them."""
    return f"(has({new}) ? has({old}) && {new} == {old} : !has({old}))"
