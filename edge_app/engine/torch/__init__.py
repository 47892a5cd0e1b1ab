"""PyTorch: Darknet networks and TorchScript files on a processor or GPU, and torch2trt for the former.

`backend` is the Engine, `darknet` the network as a module, `to_tensorrt` the Engine through torch2trt. Nothing of it is
imported until it is chosen.
"""
