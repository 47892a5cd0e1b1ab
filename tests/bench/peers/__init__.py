"""What a user would pick instead, on the same cameras: found out side by side.

table          who they are, what pip installs of them and under which licence
environment    an environment for each, apart from everything else
measure        each program on the same cameras, alternating
work, run_*    child programs in those environments: each uses one of them the way its manual does
"""
