//! The operations pages of a running service, as an administrator and their scripts use them.

mod access;
mod bridge;
mod desk;
mod moving_on;
mod overview;
mod paused;
mod refused;
mod tasks;
