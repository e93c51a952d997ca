//! What a Template has in its `spec`: `Template.v1beta3` of `@backstage/plugin-scaffolder-common`
//! 2.3.0.

use super::shape::{NAME, Object, Rest, Shape, TEXT, object};

pub(super) const SPEC: Shape = object!(
    ["type", "steps"],
    [
        ("type", NAME),
        ("owner", NAME),
        ("lifecycle", NAME),
        ("parameters", Shape::ObjectOrList(&PARAMETERS, &PARAMETERS_LIST)),
        ("secrets", object!([], [("schema", object!([], []))])),
        (
            "presentation",
            object!(
                [],
                [(
                    "buttonLabels",
                    object!(
                        [],
                        [
                            ("backButtonText", TEXT),
                            ("createButtonText", TEXT),
                            ("reviewButtonText", TEXT),
                        ]
                    ),
                )]
            ),
        ),
        ("EXPERIMENTAL_recovery", object!([], [("EXPERIMENTAL_strategy", TEXT)])),
        ("formDecorators", FORM_DECORATORS),
        ("EXPERIMENTAL_formDecorators", FORM_DECORATORS),
        ("steps", Shape::List { min: 0, items: &STEP }),
        ("output", TEMPLATE_OUTPUT),
    ]
);

const PERMISSIONS: (&str, Shape) =
    ("backstage:permissions", object!([], [("tags", Shape::List { min: 0, items: &TEXT })]));

static PARAMETERS: Shape = object!([], [PERMISSIONS]);
static PARAMETERS_LIST: Shape = Shape::List { min: 0, items: &PARAMETERS };

static FORM_DECORATOR: Shape = object!([], [("id", TEXT), ("input", object!([], []))]);
const FORM_DECORATORS: Shape = Shape::List { min: 0, items: &FORM_DECORATOR };

static STEP: Shape = object!(
    ["action"],
    [
        ("id", TEXT),
        ("name", TEXT),
        ("action", TEXT),
        ("input", object!([], [])),
        ("if", Shape::TextOrFlag),
        PERMISSIONS,
    ]
);

const TEMPLATE_OUTPUT: Shape = object!(
    [],
    [
        ("links", Shape::List { min: 0, items: &OUTPUT_LINK }),
        ("text", Shape::List { min: 0, items: &OUTPUT_TEXT }),
    ],
    Rest::Each(&TEXT)
);

static OUTPUT_LINK: Shape = object!(
    [],
    [
        ("if", Shape::TextOrFlag),
        ("url", NAME),
        ("entityRef", NAME),
        ("title", NAME),
        ("icon", NAME),
    ]
);

static OUTPUT_TEXT: Shape =
    object!([], [("if", Shape::TextOrFlag), ("title", NAME), ("icon", NAME), ("content", TEXT)]);
