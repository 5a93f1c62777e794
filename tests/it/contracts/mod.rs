//! What the services say to each other stays as it was written down.

mod bodies;
mod growth;
mod schemas;
