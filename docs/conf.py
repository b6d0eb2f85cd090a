"""Site of the project: ``python -m sphinx -W docs docs/_build`` (extra ``docs``)."""

import certunlearn

project = "certunlearn"
author = "the certunlearn developers"
copyright = "the certunlearn developers, Apache-2.0"
version = release = certunlearn.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb", "auto_examples/*.py"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "navbar_align": "left"}

# Headings of every page can be linked to, as they can be on a forge.
myst_heading_anchors = 3

# Verbs are on the page of each class that has them; what comes from scikit-learn is left to it.
numpydoc_show_class_members = False
autosummary_generate = True
autodoc_default_options = {
    "members": True,
    "inherited-members": "BaseEstimator, ClassifierMixin, RegressorMixin, Pipeline, Exception",
}

# Links to files of the repository lead out of the site (a test follows them); labels and terms are
# those of scikit-learn's own docstrings, which lead into its site.
suppress_warnings = ["myst.xref_missing", "ref.ref", "ref.term"]

# Examples are run, and what they print and draw stands beside them.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "show_memory": False,
    "download_all_examples": False,
}
