"""Pure columnar computation: windows, OEE, cold chain. No I/O, no clock, no dataflow library."""
