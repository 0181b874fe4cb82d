"""The yardstick of the OCR benchmark: the same pages through the same engine, with nothing of this project.

A program that is given picture files: it loads RapidOCR with OpenVINO, set as this project sets it, reads each
picture into words with boxes, and prints how many pages had words, and the most memory it held, in bytes.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import rapidocr
from rapidocr import EngineType, RapidOCR

_MODELS = Path(str(rapidocr.__file__)).parent / "models"


def main(paths: list[str]) -> None:
    """Reads the files and prints one JSON object."""
    engine = RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.return_word_box": True,
            "Global.log_level": "critical",
            "Det.engine_type": EngineType.OPENVINO,
            "Det.model_path": str(_MODELS / "PP-OCRv6_det_small.onnx"),
            "Rec.engine_type": EngineType.OPENVINO,
            "Rec.model_path": str(_MODELS / "PP-OCRv6_rec_small.onnx"),
            "EngineConfig.openvino.inference_num_threads": 1,
        }
    )
    pages = sum(bool(getattr(engine(path), "word_results", ())) for path in paths)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    sys.stdout.write(json.dumps({"pages": pages, "memory": memory}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
