//! Features choose and rank the models.

use crate::models::ModelId;
use crate::outcome::Basis;

/// Models in the order in which they should be tried, with how likely each is to be right.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Best first; every model that may run on the frame, and no other.
    pub ranking: Vec<(ModelId, f32)>,
    /// How the first of them came to be first.
    pub basis: Basis,
}
