"""Words beside a picture: which of the products that look alike hold them. The same on every server."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

WITHOUT_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Kana and Chinese characters, which no space parts into words."""
RUNS = re.compile(rf"[{WITHOUT_SPACES}]+|[^\W_{WITHOUT_SPACES}]+")
UNSPACED = re.compile(rf"[{WITHOUT_SPACES}]")


def terms(text: str) -> Iterator[str]:
    """What a text is compared by: words without case, accents and plural; of Chinese each character and each pair.

    Full-width letters are plain ones.
    """
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in folded if not unicodedata.combining(one) or "\u3099" <= one <= "\u309a")
    for run in RUNS.findall(unicodedata.normalize("NFC", plain)):
        if UNSPACED.match(run):
            yield from run
            yield from (run[i : i + 2] for i in range(len(run) - 1))
        else:
            yield singular(run)


def singular(word: str) -> str:
    """An English word without its plural: the S-stemmer of Harman, How Effective is Suffixing? (JASIS 1991).

    Before its three rules, `dresses` and `watches` lose both letters.
    """
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


def scores(words: str, texts: Sequence[str]) -> list[float]:
    """How well each text holds the words, from 0 to 1: the share of their terms, where rare ones weigh more.

    A term that n of the N texts hold weighs log(1 + N / n), one that none holds nothing. Where no text holds any, all
    are 0.
    """
    held = [set(terms(text)) for text in texts]
    wanted = set(terms(words))
    frequency = Counter(term for one in held for term in wanted & one)
    weights = {term: math.log1p(len(texts) / n) for term, n in frequency.items()}
    whole = sum(weights.values())
    return [sum(weights[term] for term in weights.keys() & one) / whole if whole else 0.0 for one in held]
