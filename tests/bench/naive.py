"""The naive way, as it is mostly written: one pandas_udf, PIL, torchvision's transforms, fp32, the model a global."""

import io

import pandas as pd
import torch
import torchvision
from PIL import Image
from pyspark.sql import Column, SparkSession
from pyspark.sql.functions import col, pandas_udf
from torchvision import transforms

BATCH = 32
model = None


def load_model(backbone: str) -> torch.nn.Module:
    global model  # noqa: PLW0603  (that is how it is mostly written)
    if model is None:
        torch.manual_seed(0)
        model = torchvision.models.get_model(backbone, weights=None)
        model.fc = torch.nn.Identity()
        model.eval()
    return model


def embed(images: Column, backbone: str, size: int) -> Column:
    transform = transforms.Compose(
        [
            transforms.Resize(size),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )

    @pandas_udf("array<float>")
    def embed_images(images: pd.Series) -> pd.Series:
        network = load_model(backbone)
        vectors = []
        for start in range(0, len(images), BATCH):
            pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in images[start : start + BATCH]]
            with torch.no_grad():
                found = network(torch.stack([transform(picture) for picture in pictures]))
            vectors.extend(torch.nn.functional.normalize(found).numpy())
        return pd.Series(vectors)

    return embed_images(images)


def run(spark: SparkSession, catalog: str, out: str, *, backbone: str, size: int) -> None:
    table = spark.read.parquet(catalog)
    vectors = table.select("product_id", embed(col("image"), backbone, size).alias("vector"))
    vectors.write.mode("overwrite").parquet(out)
