"""Darknet's models: a `.cfg` that describes the network and a `.weights` with its numbers.

`cfg` reads the text, `network` its layers and shapes, `weights` the numbers, `export` writes both as ONNX, which every
backend runs, and `conversion` caches that file. Nothing but numpy is needed. Formats and formulas are those of
Darknet's own sources (github.com/AlexeyAB/darknet, src/parser.c and the file of each layer).
"""
