from cuda.cuda import *  # noqa: F401,F403
