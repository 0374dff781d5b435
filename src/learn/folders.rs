//! Directories of pictures, and the layout that names classes by folders.
//!
//! In the layout of ImageNet each folder holds the pictures of one class. A folder is named by
//!
//! - a synset (`n01440764`), if the order of the classes is known: from the models' label file, if
//!   each of its lines begins with a synset; else from a list that the user gives (`--synsets`); else,
//!   if all 1000 synsets of ILSVRC2012 are there, from their alphabetical order, which is how
//!   ILSVRC2012's classes are numbered;
//! - or the 0-based number of the class.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::labels::LabelledImage;
use crate::capture::is_image;
use crate::models;

/// How many classes ILSVRC2012 has.
const ILSVRC2012: usize = 1000;

/// Folders in folders are looked into down to this depth: links may lead in a circle.
const DEEPEST: usize = 16;

/// Why a directory cannot be used.
#[derive(Debug, Error)]
pub enum FoldersError {
    /// It cannot be listed.
    #[error("cannot list the directory {}", directory.display())]
    List {
        /// The directory.
        directory: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It holds no picture.
    #[error(
        "there is no image (jpg, png, webp, bmp, pnm) in {} or the folders in it",
        directory.display()
    )]
    NoImage {
        /// The directory.
        directory: PathBuf,
    },
    /// Nobody says what the pictures show.
    #[error(
        "nothing says what the images in {directory} show: give --labels CSV (or put it there as \
         labels.csv), or keep the images of each class in a folder named by the class, or let a \
         model stand in with --teacher NAME or --teacher ensemble",
        directory = directory.display()
    )]
    Unlabelled {
        /// The directory.
        directory: PathBuf,
    },
    /// A folder names no class.
    #[error(
        "the folder {folder} of {} names no class: folders are named by class numbers from 0 to \
         {last}, or by synsets (as n01440764) if --synsets FILE lists them, one id a line in the \
         order of the classes",
        directory.display()
    )]
    NoClass {
        /// The directory.
        directory: PathBuf,
        /// The folder.
        folder: String,
        /// The last class.
        last: usize,
    },
    /// The list of synsets cannot be read.
    #[error("cannot read the synsets {}", path.display())]
    ReadSynsets {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// It is another list.
    #[error("the synsets {}: {fault}", path.display())]
    Synsets {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
}

/// The pictures in a directory and in the folders below it, relative to it, sorted.
pub fn images_below(directory: &Path) -> Result<Vec<String>, FoldersError> {
    let mut images = Vec::new();
    walk(directory, "", DEEPEST, &mut images)?;
    if images.is_empty() {
        return Err(FoldersError::NoImage { directory: directory.to_owned() });
    }
    images.sort_unstable();
    Ok(images)
}

fn walk(
    directory: &Path,
    prefix: &str,
    deeper: usize,
    images: &mut Vec<String>,
) -> Result<(), FoldersError> {
    let unlisted = |source| FoldersError::List { directory: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(unlisted)? {
        let path = entry.map_err(unlisted)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            log::warn!("{} is left out: its name is not UTF-8", path.display());
            continue;
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            if deeper > 0 {
                walk(&path, &format!("{name}/"), deeper - 1, images)?;
            }
        } else if is_image(&path) {
            images.push(name);
        }
    }
    Ok(())
}

/// The classes that folders are named by.
pub struct FolderClasses {
    synsets: HashMap<String, usize>,
    classes: usize,
}

impl FolderClasses {
    /// The classes of models whose label file may begin its lines with synsets.
    pub fn of(labels: &models::Labels) -> Self {
        let names = (0..labels.count()).map(|class| labels.name(class));
        let synsets = names.map(|name| synset(&name)).collect::<Option<Vec<String>>>();
        Self { synsets: numbered(synsets.unwrap_or_default()), classes: labels.count() }
    }

    /// The same, with the synsets of a file: the first word of each line, in the order of the
    /// classes.
    pub fn listed(path: &Path, classes: usize) -> Result<Self, FoldersError> {
        let text = fs::read_to_string(path)
            .map_err(|source| FoldersError::ReadSynsets { path: path.to_owned(), source })?;
        let fault = |fault| Err(FoldersError::Synsets { path: path.to_owned(), fault });
        let mut synsets = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            match synset(text) {
                Some(synset) => synsets.push(synset),
                None => return fault(format!("line {line} does not begin with one (n01440764)")),
            }
        }
        let count = synsets.len();
        let synsets = numbered(synsets);
        if count != classes || synsets.len() != classes {
            let different = synsets.len();
            return fault(format!(
                "{count} lines with {different} different ids for {classes} classes"
            ));
        }
        Ok(Self { synsets, classes })
    }

    /// The labels of pictures by the folders that they are in, and how many are in none.
    pub fn label(
        mut self,
        directory: &Path,
        files: Vec<String>,
    ) -> Result<(Vec<LabelledImage>, usize), FoldersError> {
        let folders: BTreeSet<String> =
            files.iter().filter_map(|file| folder(file)).map(str::to_owned).collect();
        if folders.is_empty() {
            return Err(FoldersError::Unlabelled { directory: directory.to_owned() });
        }
        if self.synsets.is_empty() && self.classes == ILSVRC2012 {
            self.synsets = all_of_ilsvrc2012(&folders).unwrap_or_default();
        }
        let mut images = Vec::with_capacity(files.len());
        let mut loose = 0;
        for file in files {
            match folder(&file) {
                None => loose += 1,
                Some(folder) => {
                    let class = self.class(folder).ok_or_else(|| FoldersError::NoClass {
                        directory: directory.to_owned(),
                        folder: folder.to_owned(),
                        last: self.classes.saturating_sub(1),
                    })?;
                    images.push(LabelledImage { file, class });
                }
            }
        }
        Ok((images, loose))
    }

    fn class(&self, folder: &str) -> Option<usize> {
        let number = || folder.parse().ok().filter(|class| *class < self.classes);
        self.synsets.get(folder).copied().or_else(number)
    }
}

/// The first folder of a relative path.
fn folder(file: &str) -> Option<&str> {
    file.split_once('/').map(|(folder, _)| folder)
}

/// The synset that a line begins with.
fn synset(line: &str) -> Option<String> {
    let word = line.split_whitespace().next()?;
    let digits = word.strip_prefix('n')?;
    let is_synset = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_synset.then(|| word.to_owned())
}

fn numbered(synsets: impl IntoIterator<Item = String>) -> HashMap<String, usize> {
    synsets.into_iter().enumerate().map(|(class, synset)| (synset, class)).collect()
}

/// All synsets in their alphabetical order, if no folder is missing.
fn all_of_ilsvrc2012(folders: &BTreeSet<String>) -> Option<HashMap<String, usize>> {
    let synsets: Vec<String> = folders.iter().filter_map(|folder| synset(folder)).collect();
    (synsets.len() == ILSVRC2012).then(|| numbered(synsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> models::Labels {
        models::Labels::from_names(names.iter().copied())
    }

    fn labelled(
        classes: FolderClasses,
        files: &[&str],
    ) -> Result<(Vec<usize>, usize), FoldersError> {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        let (images, loose) = classes.label(Path::new("set"), files)?;
        Ok((images.into_iter().map(|image| image.class).collect(), loose))
    }

    #[test]
    fn pictures_are_found_in_folders_and_sorted() {
        let set = tempfile::tempdir().unwrap();
        assert!(matches!(images_below(set.path()), Err(FoldersError::NoImage { .. })));
        fs::create_dir_all(set.path().join("b/c")).unwrap();
        for file in ["b/c/2.JPG", "b/1.png", "z.webp", "b/notes.txt", "labels.csv"] {
            fs::write(set.path().join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(set.path(), set.path().join("b/circle")).unwrap();
        let images = images_below(set.path()).unwrap();
        let own: Vec<_> = images.iter().filter(|image| !image.contains("circle")).collect();
        assert_eq!(own, ["b/1.png", "b/c/2.JPG", "z.webp"]);
        let absent = images_below(Path::new("/nonexistent/set")).unwrap_err();
        assert!(absent.to_string().contains("/nonexistent/set"));
    }

    #[test]
    fn folders_are_numbers_or_the_synsets_of_the_label_file() {
        let plain = || FolderClasses::of(&labels(&["red", "green", "blue"]));
        assert_eq!(labelled(plain(), &["2/a.png", "0/b.png", "c.png"]).unwrap(), (vec![2, 0], 1));
        let wrong = labelled(plain(), &["3/a.png"]).unwrap_err().to_string();
        assert!(wrong.contains("the folder 3 of set") && wrong.contains("--synsets"), "{wrong}");
        let none = labelled(plain(), &["a.png"]).unwrap_err().to_string();
        assert!(none.contains("--teacher") && none.contains("--labels"), "{none}");
        let synsets = FolderClasses::of(&labels(&["n00000009 red", "n00000001 green"]));
        let files = ["n00000001/a.png", "n00000009/b.png", "1/c.png"];
        assert_eq!(labelled(synsets, &files).unwrap().0, [1, 0, 1]);
    }

    #[test]
    fn a_list_of_synsets_has_the_order_of_the_classes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let listed = |text: &str| {
            fs::write(file.path(), text).unwrap();
            FolderClasses::listed(file.path(), 2)
        };
        let classes = listed("n00000009 tench, Tinca tinca\nn00000001 goldfish\n").unwrap();
        assert_eq!(labelled(classes, &["n00000001/a.png", "n00000009/b.png"]).unwrap().0, [1, 0]);
        for wrong in ["n00000009\n", "n00000009\nn00000009\n", "n00000009\nfish\n"] {
            assert!(matches!(listed(wrong), Err(FoldersError::Synsets { .. })), "{wrong}");
        }
        let absent = FolderClasses::listed(Path::new("/nonexistent/ids"), 2);
        assert!(matches!(absent, Err(FoldersError::ReadSynsets { .. })));
    }

    #[test]
    fn all_folders_of_ilsvrc2012_need_no_list() {
        let names: Vec<String> = (0..1000).map(|class| format!("class {class}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let files: Vec<String> = (0..1000).map(|n| format!("n{:08}/a.png", 7 * n + 1)).collect();
        let mut files: Vec<&str> = files.iter().map(String::as_str).collect();
        let (classes, _) = labelled(FolderClasses::of(&labels(&names)), &files).unwrap();
        assert_eq!(classes, (0..1000).collect::<Vec<_>>());
        files.pop();
        let missing = labelled(FolderClasses::of(&labels(&names)), &files).unwrap_err();
        assert!(missing.to_string().contains("n00000001"), "{missing}");
    }
}
