"""What the host of a virtual machine keeps from it: a stall of all cameras that no fault has made."""


def ticks():
    """(clock ticks the host gave to others, those of all states), of all processors since the start.

    Source: proc(5), /proc/stat; `guest` and `guest_nice` are in `user` and `nice`. On a real machine the first is 0.
    """
    with open('/proc/stat') as stream:
        spent = [int(text) for text in stream.readline().split()[1:9]]
    return spent[7], sum(spent)


def taken(before, after):
    """The share, 0 to 1, of the processors' time between two `ticks`."""
    passed = after[1] - before[1]
    return (after[0] - before[0]) / passed if passed > 0 else 0.0
