//! Routes, each with its description.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{delete, get, post, put};
use utoipa::openapi::{HttpMethod, OpenApi};

use super::{Operation, document};
use crate::Api;

/// Routes with their descriptions.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Api>,
    pub(super) described: Vec<Described>,
}

/// The description of a route.
pub(super) struct Described {
    pub(super) method: HttpMethod,
    /// As the router has it.
    pub(super) path: String,
    pub(super) operation: Operation,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)*) => { $(
        $(#[$doc])*
        pub(crate) fn $name<H, T>(self, path: &str, handler: H, operation: Operation) -> Self
        where
            H: Handler<T, Api>,
            T: 'static,
        {
            let Self { router, mut described } = self;
            described.push(Described { method: HttpMethod::$method, path: path.into(), operation });
            Self { router: router.route(path, $name(handler)), described }
        }
    )* };
}

impl Routes {
    methods! {
        /// A route for GET, and so for HEAD.
        get = Get;
        /// A route for POST.
        post = Post;
        /// A route for PUT.
        put = Put;
        /// A route for DELETE.
        delete = Delete;
    }

    /// These and those.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.described.extend(other.described);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// The same, with others below a path.
    pub(crate) fn nest(mut self, prefix: &str, other: Self) -> Self {
        self.described.extend(other.described.into_iter().map(|inner| {
            let path = format!("{prefix}{}", inner.path);
            Described { path, ..inner }
        }));
        Self { router: self.router.nest(prefix, other.router), ..self }
    }

    /// The same routes, with something around them.
    pub(crate) fn within(self, wrap: impl FnOnce(Router<Api>) -> Router<Api>) -> Self {
        Self { router: wrap(self.router), ..self }
    }

    /// The router, and the document about it.
    pub(crate) fn finish(self) -> (Router<Api>, OpenApi) {
        (self.router, document::write(self.described))
    }
}
