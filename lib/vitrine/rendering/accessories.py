"""What is carried, as outlines."""

from vitrine.rendering.outlines import Shape, arc, body, box, dark, ellipse, gap, light, line, mirrored, smooth, trim

CARRIED = (
    Shape(
        "handbag",
        "手提包",
        "Accessories/Bags/Handbags",
        (
            trim(*arc((0.5, 0.42), (0.44, 0.52), start=180, end=360, width=0.045)),
            body(*mirrored((0.5, 0.4), (0.78, 0.4), (0.9, 0.82), (0.86, 0.87), (0.5, 0.87))),
            dark(*mirrored((0.5, 0.4), (0.78, 0.4), (0.81, 0.48), (0.5, 0.5))),
            light(*box((0.46, 0.46), (0.54, 0.54))),
        ),
    ),
    Shape(
        "backpack",
        "双肩包",
        "Accessories/Bags/Backpacks",
        (
            dark(*arc((0.5, 0.15), (0.2, 0.16), start=180, end=360, width=0.03)),
            dark(*smooth(((0.2, 0.5), (0.13, 0.6), (0.14, 0.84), (0.24, 0.86)))),
            dark(*smooth(((0.8, 0.5), (0.87, 0.6), (0.86, 0.84), (0.76, 0.86)))),
            body(
                *smooth(
                    (
                        (0.26, 0.22),
                        (0.5, 0.14),
                        (0.74, 0.22),
                        (0.78, 0.5),
                        (0.78, 0.86),
                        (0.5, 0.9),
                        (0.22, 0.86),
                        (0.22, 0.5),
                    )
                )
            ),
            trim(*smooth(((0.3, 0.58), (0.5, 0.56), (0.7, 0.58), (0.71, 0.8), (0.5, 0.82), (0.29, 0.8)))),
            light(*line((0.34, 0.64), (0.66, 0.64), width=0.014)),
        ),
    ),
    Shape(
        "tote bag",
        "托特包",
        "Accessories/Bags/Totes",
        (
            trim(
                *line((0.34, 0.44), (0.36, 0.16), (0.42, 0.09), (0.58, 0.09), (0.64, 0.16), (0.66, 0.44), width=0.035)
            ),
            body(*mirrored((0.5, 0.36), (0.82, 0.36), (0.78, 0.92), (0.5, 0.92))),
            trim(*mirrored((0.5, 0.36), (0.82, 0.36), (0.817, 0.41), (0.5, 0.41))),
        ),
    ),
    Shape(
        "watch",
        "手表",
        "Accessories/Watches/Watches",
        (
            body(*mirrored((0.5, 0.06), (0.6, 0.06), (0.62, 0.35), (0.62, 0.65), (0.6, 0.94), (0.5, 0.94))),
            trim(*ellipse((0.5, 0.5), (0.46, 0.46))),
            trim(*box((0.71, 0.47), (0.77, 0.53))),
            light(*ellipse((0.5, 0.5), (0.35, 0.35))),
            dark(*line((0.5, 0.5), (0.5, 0.38), width=0.022)),
            dark(*line((0.5, 0.5), (0.59, 0.55), width=0.022)),
        ),
    ),
    Shape(
        "umbrella",
        "雨伞",
        "Accessories/Umbrellas/Umbrellas",
        (
            trim(*line((0.5, 0.1), (0.5, 0.84), width=0.026)),
            trim(*arc((0.44, 0.84), (0.12, 0.14), start=0, end=180, width=0.03)),
            body(*(ellipse((0.5, 0.52), (0.88, 0.78))[20:]), (0.94, 0.52), (0.06, 0.52)),
            *(gap(*ellipse((x, 0.54), (0.22, 0.1))) for x in (0.17, 0.39, 0.61, 0.83)),
            trim(*line((0.5, 0.42), (0.5, 0.6), width=0.026)),
        ),
    ),
    Shape(
        "sunglasses",
        "太阳镜",
        "Accessories/Eyewear/Sunglasses",
        (
            trim(*line((0.05, 0.38), (0.3, 0.36), (0.7, 0.36), (0.95, 0.38), width=0.05)),
            *(
                trim(
                    *smooth(((x - 0.2, 0.36), (x, 0.34), (x + 0.2, 0.36), (x + 0.17, 0.6), (x, 0.68), (x - 0.17, 0.6)))
                )
                for x in (0.28, 0.72)
            ),
            *(
                body(
                    *smooth(
                        ((x - 0.15, 0.4), (x, 0.38), (x + 0.15, 0.4), (x + 0.13, 0.58), (x, 0.63), (x - 0.13, 0.58))
                    )
                )
                for x in (0.28, 0.72)
            ),
        ),
    ),
    Shape(
        "tie",
        "领带",
        "Accessories/Ties/Ties",
        (
            body(*mirrored((0.5, 0.18), (0.55, 0.18), (0.63, 0.74), (0.5, 0.94))),
            trim(*mirrored((0.5, 0.06), (0.59, 0.07), (0.55, 0.2), (0.5, 0.21))),
        ),
    ),
)
