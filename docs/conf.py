"""How Sphinx makes the site; `make site` runs it, without the internet."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

sys.path.insert(0, str(Path(__file__).parent.parent))

from service.version import SERVICE_VERSION

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

project = "hsct2-risk"
author = "the hsct2-risk authors"
project_copyright = "the hsct2-risk authors, Apache-2.0"
version = release = SERVICE_VERSION
language = "en-GB"

extensions = ["myst_parser", "sphinx.ext.graphviz"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]

graphviz_output_format = "svg"

html_theme = "furo"
html_title = f"hsct2-risk {SERVICE_VERSION}"
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False


def _inline(translator: "HTML5Translator", node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(translator: "HTML5Translator", node: nodes.math_block) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app: "Sphinx") -> dict[str, bool]:
    """Write formulas as MathML, which browsers show by themselves."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
