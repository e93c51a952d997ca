//! The description of one operation.

use serde_json::{Value, json};
use utoipa::openapi::content::Content;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use super::document::refusal_name;
use crate::params::{Form, Param};

/// Schemas by their names.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// What one method of one path takes and answers.
pub(crate) struct Operation {
    built: OperationBuilder,
    pub(super) schemas: Schemas,
    answers: Vec<(u16, Response)>,
    refusals: Vec<u16>,
    is_open: bool,
}

/// What parts of paths may be: an entity of `examples/catalog`.
const EXAMPLES: &[(&str, &str)] = &[
    ("kind", "component"),
    ("namespace", "default"),
    ("name", "checkout"),
    ("scope", "by-hand"),
    ("topic", "actions"),
];

/// What a caller is told, whatever it asks for: the form, who it is, what it may.
const ALWAYS: &[u16] = &[400, 401, 403];

impl Operation {
    /// An operation by its name, the group it belongs to, and what it does in a few words.
    pub(crate) fn new(id: &str, tag: &str, summary: &str) -> Self {
        let built = OperationBuilder::new().operation_id(Some(id)).tag(tag).summary(Some(summary));
        let refusals = ALWAYS.to_vec();
        Self { built, schemas: Vec::new(), answers: Vec::new(), refusals, is_open: false }
    }

    /// More words about it.
    pub(crate) fn about(mut self, text: &str) -> Self {
        self.built = self.built.description(Some(text));
        self
    }

    /// Its query parameters.
    pub(crate) fn query(mut self, params: &[Param]) -> Self {
        for param in params {
            let built = ParameterBuilder::new()
                .name(param.name)
                .parameter_in(ParameterIn::Query)
                .required(if param.is_required { Required::True } else { Required::False })
                .description(Some(param.about))
                .schema(Some(schema_of(param.form)));
            let built = match param.form {
                Form::Texts => built.style(Some(ParameterStyle::Form)).explode(Some(true)),
                Form::List => built.style(Some(ParameterStyle::Form)).explode(Some(false)),
                _ => built,
            };
            let example = match (param.example, param.form) {
                ("", _) => None,
                (example, Form::Texts | Form::List) => Some(json!([example])),
                (example, _) => Some(json!(example)),
            };
            self.built = self.built.parameter(built.example(example));
        }
        self
    }

    /// It answers from one position, which a request may ask to be so far.
    pub(crate) fn at_a_position(mut self) -> Self {
        let about = "The position that has to be folded before this is answered, as an earlier \
                     answer gave it in `Annals-Position`. After 10 s without it: 504.";
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        self.built = self.built.parameter(
            ParameterBuilder::new()
                .name("Annals-Min-Position")
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(about))
                .schema(Some(text)),
        );
        self.refuses(&[503, 504])
    }

    /// What stands in the body, as JSON, and an example.
    pub(crate) fn takes<T: ToSchema>(mut self, is_required: bool, example: Value) -> Self {
        let mut content = Content::new(Some(self.reference::<T>()));
        content.example = Some(example);
        let body = RequestBodyBuilder::new()
            .required(Some(if is_required { Required::True } else { Required::False }))
            .content("application/json", content);
        self.built = self.built.request_body(Some(body.build()));
        self.refuses(&[408])
    }

    /// A body of lines.
    pub(crate) fn takes_lines(mut self, about: &str) -> Self {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let body = RequestBodyBuilder::new()
            .description(Some(about))
            .required(Some(Required::False))
            .content("application/x-ndjson", Content::new(Some(text)));
        self.built = self.built.request_body(Some(body.build()));
        self.refuses(&[408, 413])
    }

    /// A body that is an object, or a list, of somebody else's form.
    pub(crate) fn takes_object(mut self, about: &str) -> Self {
        let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
        let body = RequestBodyBuilder::new()
            .description(Some(about))
            .required(Some(Required::True))
            .content("application/json", Content::new(Some(object)));
        self.built = self.built.request_body(Some(body.build()));
        self.refuses(&[408, 413])
    }

    /// An answer of JSON.
    pub(crate) fn gives<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.reference::<T>();
        self.answers.push((status, with_content(about, "application/json", schema)));
        self
    }

    /// An answer that is a list.
    pub(crate) fn gives_list<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = ArrayBuilder::new().items(self.reference::<T>());
        let schema = RefOr::T(Schema::Array(schema.build()));
        self.answers.push((status, with_content(about, "application/json", schema)));
        self
    }

    /// An answer that is a list of its own type.
    pub(crate) fn gives_list_as<T: ToSchema>(
        mut self,
        status: u16,
        kind: &str,
        about: &str,
    ) -> Self {
        let schema = ArrayBuilder::new().items(self.reference::<T>());
        let schema = RefOr::T(Schema::Array(schema.build()));
        self.answers.push((status, with_content(about, kind, schema)));
        self
    }

    /// Its answers say where to go on.
    pub(crate) fn says_cursor(self) -> Self {
        self.with_header("Annals-Cursor", "Where to go on.", true)
    }

    /// An answer of text.
    pub(crate) fn gives_text(mut self, status: u16, kind: &str, about: &str) -> Self {
        let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let schema = RefOr::T(Schema::Object(schema.build()));
        self.answers.push((status, with_content(about, kind, schema)));
        self
    }

    /// An answer without a body.
    pub(crate) fn gives_nothing(mut self, status: u16, about: &str) -> Self {
        self.answers.push((status, Response::new(about)));
        self
    }

    /// Its answers say which position they saw.
    pub(crate) fn says_position(self) -> Self {
        self.with_header("Annals-Position", "The position that was seen.", true)
    }

    /// Its answers have tags, and are 304 to whoever has them already.
    pub(crate) fn tagged(self) -> Self {
        let about = "What a later request may send as `If-None-Match`.";
        self.with_header("ETag", about, false)
            .gives_nothing(304, "It is what `If-None-Match` says that the caller has.")
            .says_position()
    }

    /// Its answers may lead on to a next page.
    pub(crate) fn linked(self) -> Self {
        self.with_header("Link", "The next page: `<…>; rel=\"next\"`.", false)
    }

    fn with_header(mut self, name: &str, about: &str, is_always: bool) -> Self {
        let about = if is_always { about.to_owned() } else { format!("{about} May be absent.") };
        for (_, answer) in &mut self.answers {
            let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
            let mut header = Header::new(Schema::Object(text.build()));
            header.description = Some(about.clone());
            answer.headers.insert(name.to_owned(), header.into());
        }
        self
    }

    /// What else it may answer.
    pub(crate) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    /// Anybody may ask.
    pub(crate) fn open(mut self) -> Self {
        self.is_open = true;
        self.refusals.retain(|status| !ALWAYS.contains(status));
        self
    }

    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), <T as PartialSchema>::schema()));
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }

    /// The operation, on a path as OpenAPI writes it, and the schemas that it names.
    pub(super) fn build(self, path: &str) -> (utoipa::openapi::path::Operation, Schemas) {
        let Self { mut built, schemas, answers, refusals, is_open } = self;
        for name in path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
            let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
            let example = EXAMPLES.iter().find(|(known, _)| *known == name);
            built = built.parameter(
                ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .example(example.map(|(_, example)| json!(example)))
                    .schema(Some(text)),
            );
        }
        let given: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
        for status in refusals.into_iter().filter(|status| !given.contains(status)) {
            let answer = Ref::from_response_name(refusal_name(status));
            built = built.response(status.to_string(), RefOr::Ref(answer));
        }
        for (status, answer) in answers {
            built = built.response(status.to_string(), answer);
        }
        if !is_open {
            let none: [&str; 0] = [];
            built = built.security(SecurityRequirement::new("token", none));
            // Where no tokens are configured.
            built = built.security(SecurityRequirement::default());
        }
        (built.build(), schemas)
    }
}

fn with_content(about: &str, kind: &str, schema: RefOr<Schema>) -> Response {
    ResponseBuilder::new().description(about).content(kind, Content::new(Some(schema))).build()
}

fn schema_of(form: Form) -> Schema {
    let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
    let object = match form {
        Form::Text => text().min_length(Some(1)),
        Form::Texts | Form::List => {
            return Schema::Array(ArrayBuilder::new().items(text()).build());
        }
        Form::Number => {
            ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).minimum(Some(0))
        }
        Form::Flag => ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean)),
        Form::OneOf(values) => text().enum_values(Some(values.iter().copied())),
    };
    Schema::Object(object.build())
}
