"""Coded forms of a weight matrix, in numpy alone: training makes them, the compiler chooses them, gates read them."""
