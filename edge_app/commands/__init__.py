"""One module per command of `edge-app`; `edge_app/cli.py` lists them."""
