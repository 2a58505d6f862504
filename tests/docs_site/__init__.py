"""What of the documentation is generated, and what is run.

`__main__` writes docs/reference from `api_page`, `cli_page` and `python_page`; `blocks` finds the code in any
page, so that tests can apply and run it; `hooks` is mkdocs' part of the build.
"""
