"""The simulated e-filing portal for deductors: login, challans, filed forms, e-Proceedings."""
