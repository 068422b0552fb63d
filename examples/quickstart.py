import clipsim

pictures = ["examples/hiking-golden-retriever.jpg", "examples/cat-in-rucksack.jpg"]
result = clipsim.score_images(pictures, "a golden retriever standing in the snow", clipsim.load())
for score in result.scores:
    print(f"{score.rank}  {score.cosine:.3f}  {score.name}  ({result.model})")
