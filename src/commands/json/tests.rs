//! JSON.* commands as clients see them.
