print("sparselora: the commands land with the trainer")
