//! Dense numbers for what has long names.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// A reference, by the order in which references were first mentioned, from 0; never given
    /// again, whether or not the entity exists.
    EntityId(u32)
}

id! {
    /// A scope, by the order in which scopes were first named, from 0.
    ScopeId(u32)
}

id! {
    /// A type of relation as one end shows it: the number of the pair of types, and its direction
    /// in the lowest bit. See [`crate::RelationNames`].
    RelationId(u16)
}
