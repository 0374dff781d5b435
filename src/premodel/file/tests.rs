//! Premodel files: sound, damaged, and forged.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::premodel::tests::two_clusters;

fn sound() -> Vec<u8> {
    Premodel::new(two_clusters()).unwrap().to_bytes()
}

fn fault(bytes: &[u8]) -> FileFault {
    Premodel::from_bytes(bytes).unwrap_err()
}

/// Name, type, shape and content of a tensor.
type Part = (&'static str, Dtype, Vec<usize>, Vec<u8>);

/// The parts of a file, to be spoilt and sealed as if by a forger.
struct Draft {
    description: Value,
    tensors: Vec<Part>,
}

impl Draft {
    fn new() -> Self {
        let bytes = sound();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let text = &header.metadata().as_ref().unwrap()[FORMAT];
        let parsed = SafeTensors::deserialize(&bytes).unwrap();
        let names = ["features", "maximum", "minimum", "right", "sha256"];
        let part = |name| {
            let tensor = parsed.tensor(name).unwrap();
            (name, tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec())
        };
        let tensors = names.map(part).to_vec();
        Self { description: serde_json::from_str(text).unwrap(), tensors }
    }

    fn tensor(&mut self, name: &str) -> &mut Part {
        self.tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap()
    }

    fn seal<'a>(&'a self) -> Vec<u8> {
        let view = |(name, dtype, shape, data): &'a Part| {
            (*name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        };
        let views = self.tensors.iter().map(view);
        let metadata = HashMap::from([(FORMAT.to_owned(), self.description.to_string())]);
        sealed(safetensors::serialize(views, Some(metadata)).unwrap())
    }
}

/// The fault of a file whose parts were spoilt and that was sealed again.
fn forged(spoil: impl FnOnce(&mut Draft)) -> FileFault {
    let mut draft = Draft::new();
    spoil(&mut draft);
    fault(&draft.seal())
}

fn put_f32(draft: &mut Draft, name: &str, number: usize, value: f32) {
    draft.tensor(name).3[4 * number..4 * number + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn a_premodel_survives_its_file() {
    let bytes = sound();
    let read = Premodel::from_bytes(&bytes).unwrap();
    assert_eq!(read.recipe(), &two_clusters());
    assert_eq!(read.to_bytes(), bytes);
}

#[test]
fn the_adaptive_part_survives_and_is_checked() {
    let knowledge = crate::adaptive::tests::knowledge();
    let recipe = Recipe { adaptive: Some(knowledge), ..two_clusters() };
    let bytes = Premodel::new(recipe.clone()).unwrap().to_bytes();
    assert_eq!(Premodel::from_bytes(&bytes).unwrap().recipe(), &recipe);
    let adaptive = serde_json::to_value(&recipe.adaptive).unwrap();
    let spoilt = forged(|draft| {
        draft.description["adaptive"] = adaptive;
        draft.description["adaptive"]["chosen"] = json!(9);
    });
    assert!(matches!(spoilt, FileFault::Recipe(RecipeFault::Adaptive(_))), "{spoilt}");
}

#[test]
fn the_draft_of_these_tests_is_sound_until_spoilt() {
    assert!(Premodel::from_bytes(&Draft::new().seal()).is_ok());
}

#[test]
fn the_same_premodel_gives_the_same_bytes() {
    let first = sound();
    assert!((0..20).all(|_| sound() == first));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sound();
    for length in 0..bytes.len() {
        let fault = fault(&bytes[..length]);
        assert!(matches!(fault, FileFault::Container(_)), "{length}: {fault}");
    }
}

#[test]
fn every_flipped_byte_is_refused() {
    let mut bytes = sound();
    for position in 0..bytes.len() {
        bytes[position] ^= 0x04;
        assert!(Premodel::from_bytes(&bytes).is_err(), "byte {position}");
        bytes[position] ^= 0x04;
    }
}

#[test]
fn a_flip_in_the_content_is_named_damage() {
    let mut bytes = sound();
    let middle = bytes.len() - 100;
    bytes[middle] ^= 1;
    assert!(matches!(fault(&bytes), FileFault::Checksum));
}

proptest! {
    #[test]
    fn any_damage_is_refused(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..8),
    ) {
        let intact = sound();
        let mut bytes = intact.clone();
        for (position, mask) in flips {
            bytes[position.index(intact.len())] ^= mask;
        }
        prop_assume!(bytes != intact);
        prop_assert!(Premodel::from_bytes(&bytes).is_err());
    }

    /// The checksum is right, so everything behind it is exercised.
    #[test]
    fn forgeries_never_panic_and_what_is_accepted_can_be_consulted(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..4),
    ) {
        let mut bytes = sound();
        let length = bytes.len();
        for (position, mask) in flips {
            bytes[position.index(length)] ^= mask;
        }
        if let Ok(premodel) = Premodel::from_bytes(&sealed(bytes)) {
            let verdict = premodel.consult(&crate::premodel::tests::all(3.0));
            prop_assert!(verdict.neighbours.iter().all(|near| near.distance.is_finite()));
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Premodel::from_bytes(&bytes).is_err());
    }
}

#[test]
fn a_header_that_claims_to_be_huge_is_refused() {
    let mut bytes = sound();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(fault(&bytes), FileFault::Container(SafeTensorError::HeaderTooLarge)));
}

#[test]
fn other_versions_are_told_apart() {
    let newer = forged(|draft| draft.description = json!({"version": 3, "whatever": true}));
    assert!(matches!(newer, FileFault::Newer { found: 3 }));
    assert!(newer.to_string().contains("newer classifyd"), "{newer}");
    for version in [0, 1] {
        let other = forged(|draft| draft.description["version"] = json!(version));
        assert!(matches!(other, FileFault::UnknownVersion { found } if found == version));
        assert!(other.to_string().contains("train anew"), "{other}");
    }
}

#[test]
fn another_safetensors_file_is_no_premodel() {
    let none: [(&str, TensorView); 0] = [];
    let bytes = safetensors::serialize(none, None).unwrap();
    assert!(matches!(fault(&bytes), FileFault::Foreign));
}

#[test]
fn the_description_is_read_strictly() {
    let description = |key: &str, value: Value| forged(|draft| draft.description[key] = value);
    assert!(matches!(description("colour", json!(1)), FileFault::Description(_)));
    assert!(matches!(description("k", json!(-5)), FileFault::Description(_)));
    assert!(matches!(description("criterion", json!("top9")), FileFault::Description(_)));
    let other = description("features", json!(["n_keypoints", "smell"]));
    assert!(matches!(other, FileFault::OtherFeatures { found } if found == "n_keypoints, smell"));
    for wrong in [json!([]), json!(["hue1", "contrast"]), json!(["hue1", "hue1"])] {
        let other = description("features", wrong);
        assert!(matches!(other, FileFault::OtherFeatures { .. }), "{other}");
    }
    let fewer = description("features", json!(["contrast", "hue1"]));
    assert!(matches!(fewer, FileFault::Tensor { name: "features", .. }));
    let unlisted = description("fallback", json!("absent"));
    assert!(matches!(unlisted, FileFault::UnlistedModel { name, .. } if name == "absent"));
    let twice = description("sequence", json!(["quick", "quick"]));
    assert!(matches!(twice, FileFault::Recipe(RecipeFault::DuplicateStage(_))));
    let path = forged(|draft| draft.description["models"][1]["name"] = json!("../wide"));
    assert!(matches!(path, FileFault::ModelName(name) if name == "../wide"));
}

#[test]
fn tensors_must_be_there_and_of_the_documented_shape() {
    let missing = forged(|draft| draft.tensors.retain(|tensor| tensor.0 != "minimum"));
    assert!(matches!(missing, FileFault::Tensor { name: "minimum", .. }));
    let narrow = forged(|draft| draft.tensor("features").2 = vec![21, 6]);
    assert!(matches!(narrow, FileFault::Tensor { name: "features", .. }));
    let typed = forged(|draft| draft.tensor("right").1 = Dtype::I8);
    assert!(matches!(typed, FileFault::Tensor { name: "right", .. }));
    let fewer = forged(|draft| {
        draft.description["models"].as_array_mut().unwrap().pop();
        draft.description["sequence"] = json!(["quick"]);
        draft.description["fallback"] = json!("quick");
    });
    assert!(matches!(fewer, FileFault::Tensor { name: "right", .. }));
    let extra = forged(|draft| draft.tensors.push(("notes", Dtype::U8, vec![1], vec![7])));
    assert!(matches!(extra, FileFault::ExtraTensor(name) if name == "notes"));
}

#[test]
fn numbers_must_make_sense() {
    let infinite = forged(|draft| put_f32(draft, "features", 7 * 2 + 3, f32::INFINITY));
    assert!(matches!(infinite, FileFault::NotFinite { tensor: "features", row: 2 }));
    let nan = forged(|draft| put_f32(draft, "maximum", 0, f32::NAN));
    assert!(matches!(nan, FileFault::NotFinite { tensor: "maximum", row: 0 }));
    let swapped = forged(|draft| put_f32(draft, "minimum", 4, 1e9));
    assert!(matches!(swapped, FileFault::Extremes));
    let beyond = forged(|draft| put_f32(draft, "features", 0, 1e9));
    assert!(matches!(beyond, FileFault::Recipe(RecipeFault::Unscaled(0))));
    let doubtful = forged(|draft| draft.tensor("right").3[4] = 2);
    assert!(matches!(doubtful, FileFault::NotBinary { row: 1, value: 2 }));
}

#[test]
fn a_file_error_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("absent.safetensors");
    let error = Premodel::load(&absent).unwrap_err();
    assert!(matches!(error, PremodelError::Read { .. }));
    assert!(error.to_string().contains("absent.safetensors"), "{error}");
    let noise = directory.path().join("noise.safetensors");
    std::fs::write(&noise, b"not a premodel").unwrap();
    let error = Premodel::load(&noise).unwrap_err();
    assert!(matches!(error, PremodelError::Unusable { .. }));
    std::fs::write(&noise, sound()).unwrap();
    assert!(Premodel::load(&noise).is_ok());
}
