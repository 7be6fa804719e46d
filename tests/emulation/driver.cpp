// libcuda.so.1 of the emulation: that it is there is all that anything asks of it.
