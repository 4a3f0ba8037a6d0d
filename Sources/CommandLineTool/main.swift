print("sparselora: not built yet")
