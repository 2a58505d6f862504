"""The service in a browser: HTML made here, with a little script for what is alive.

`views` are the routes, `serving` how an answer is made; `asked` reads the address of a list, `told` says what
a page tells of a run, `forms`, `filled` and `starting` are the form that starts one, `compared` is several
side by side. Nothing is loaded from elsewhere: scripts, styles and the plotting library lie in `static`.
"""
