"""`make reference`: writes docs/reference from the code, run in the root of the repository."""

from tests.cluster.api import TREE
from tests.docs_site.pages import generated_pages

if __name__ == "__main__":
    for path, text in generated_pages().items():
        (TREE / path).parent.mkdir(parents=True, exist_ok=True)
        (TREE / path).write_text(text, encoding="utf-8")
