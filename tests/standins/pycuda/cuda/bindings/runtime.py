from cuda.cudart import *  # noqa: F401,F403
