"""Programs, compilers and libraries that conda packages under names that on an index are free, or other projects."""

CONDA_PROGRAMS = frozenset(
    {
        # of the shell
        "aria2", "bash", "emacs", "fd-find", "fish", "git-lfs", "htop", "jq", "less", "nano", "neovim", "p7zip",
        "parallel", "rclone", "ripgrep", "rsync", "screen", "starship", "tmux", "tree", "unzip", "wget", "zip", "zsh",
        # compilers and what they come with
        "autoconf", "automake", "binutils", "c-compiler", "cargo", "clang", "clangxx", "compilers", "cupti",
        "cxx-compiler", "fortran-compiler", "gdb", "gfortran", "go", "intelpython3-core", "julia", "lapack", "lld",
        "llvm", "llvmdev", "maven", "mpi", "nomkl", "ruby", "torchtriton", "yarn",
        # pictures, sound and documents
        "fluidsynth", "freeglut", "ghostscript", "gtk2", "gtk3", "imagemagick", "inkscape", "opus", "plotly-orca",
        "sox", "tectonic", "texlive-core", "xvfb",
        # data and services
        "cdo", "eccodes", "esmf", "google-cloud-sdk", "kubectl", "leveldb", "lmdb", "mongodb", "nco", "ncview",
        "netcdf-fortran", "redis", "redis-server", "rocksdb", "terraform", "udunits2",
        # science
        "bcftools", "bedtools", "blast", "bwa", "fastqc", "geant4", "graph-tool", "hisat2", "htslib", "minimap2",
        "psi4", "pythia8", "root", "samtools", "star", "xtb",
    }
)  # fmt: skip
"""Those without a Python module, and those with one that only conda has. Written with hyphens."""
