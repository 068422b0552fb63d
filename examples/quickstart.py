import clipsim

result = clipsim.score("examples", "a golden retriever standing in the snow")
for score in result:
    print(f"{score.rank}  {score.cosine:.3f}  {score.name}")
