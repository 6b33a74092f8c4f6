"""One coherent population of deductors, behind the simulated e-filing portal and both TRACES portals."""
