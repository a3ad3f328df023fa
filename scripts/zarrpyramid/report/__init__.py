"""What people look at: tables and a page about a pyramid, and the pyramid in a viewer.

The last job of an image writes `summarize_pyramid` (Markdown) and `report_pyramid` (HTML), both
from `level_facts`; `report_labels` counts ids where a configuration asks for it. `close_run`
says last how a run ended. `lint` says what viewers get wrong, `view` opens one, and
`describe` says what an image is. Read in this order:

1. `facts`: what is known of each level without its voxels. `summary`: tables and lines of what
   was built; `closing` says them, or why jobs failed, when a run ends.
2. The page: `page` puts its sections in order, of elements by `markup`. `faults` says whether
   all is there, which stands on top. `pictures` begins the rest:
   `slices` reads slices and histograms from few chunks, `channels` says how each is shown,
   `figures` encodes it, `frames` places it, and `zoom` shows all levels with a loupe on what
   `detail` finds. `charts`, `level_tables`, `ways_to_open` and `making` follow. `images_page` is
   the page of many images, with small pictures by `contact_sheet`.
   `broken` is the page of a pyramid of which no plan can be made.
   `card` is a pyramid in a few lines, for a notebook with the small picture of `thumbnail`.
3. Labels: `labels` is the recipe, `counts` adds up ids.
4. Viewers: `viewer_rules` with `viewer_conditions`; `codec_table` says which of them read a codec,
   beside what it takes. `view` is in `viewing`: it tells `neuroglancer`, whose files `serving`
   sends, what to show, with the windows of an image without levels by `lone_level`. `web_links`
   gives pages on the web that show an image.
5. `description`: what an image is, whoever made it, for `zarrpyramid info`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
