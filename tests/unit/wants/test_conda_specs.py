from __future__ import annotations

import importlib.util

import pytest

from tfprov.wants.conda_specs import CondaSpec, read

# As they are written, and what conda's documentation of match specs says that they mean.
FORMS = [
    ("ffmpeg", "ffmpeg"),
    ("FFmpeg", "ffmpeg"),
    (" ffmpeg ", "ffmpeg"),
    ("_libgcc_mutex", "_libgcc_mutex"),
    ("a.b-c_d", "a.b-c_d"),
    ("ffmpeg *", "ffmpeg"),
    ("ffmpeg=*", "ffmpeg"),
    ("ffmpeg==*", "ffmpeg"),
    ("ffmpeg=6", "ffmpeg[version='6.*']"),
    ("ffmpeg=6.1", "ffmpeg[version='6.1.*']"),
    ("ffmpeg =6.1", "ffmpeg[version='6.1.*']"),
    ("ffmpeg = 6.1", "ffmpeg[version='6.1.*']"),
    ("ffmpeg=6.1.*", "ffmpeg[version='6.1.*']"),
    ("ffmpeg=6.1*", "ffmpeg[version='6.1.*']"),
    ("ffmpeg 6.1.*", "ffmpeg[version='6.1.*']"),
    ("ffmpeg 6.1*", "ffmpeg[version='6.1.*']"),
    ("ffmpeg=2022a", "ffmpeg[version='2022a.*']"),
    ("ffmpeg=1!2.0", "ffmpeg[version='1!2.0.*']"),
    ("ffmpeg=1.0_2", "ffmpeg[version='1.0_2.*']"),
    ("ffmpeg=1.0+cu", "ffmpeg[version='1.0+cu.*']"),
    ("ffmpeg=1.0.post1", "ffmpeg[version='1.0.post1.*']"),
    ("ffmpeg=v1", "ffmpeg[version='v1.*']"),
    ("ffmpeg==6.1", "ffmpeg[version='==6.1']"),
    ("ffmpeg ==6.1", "ffmpeg[version='==6.1']"),
    ("ffmpeg == 6.1", "ffmpeg[version='==6.1']"),
    ("ffmpeg 6.1", "ffmpeg[version='==6.1']"),
    ("ffmpeg  6.1", "ffmpeg[version='==6.1']"),
    ("ffmpeg 6.1.0a", "ffmpeg[version='==6.1.0a']"),
    ("ffmpeg 1.0-2", "ffmpeg[version='==1.0-2']"),
    ("ffmpeg==6.1.*", "ffmpeg[version='6.1.*']"),
    ("ffmpeg 9e", "ffmpeg[version='==9e']"),
    ("ffmpeg>6", "ffmpeg[version='>6']"),
    ("ffmpeg>=6", "ffmpeg[version='>=6']"),
    ("ffmpeg<8", "ffmpeg[version='<8']"),
    ("ffmpeg<=8", "ffmpeg[version='<=8']"),
    ("ffmpeg!=6.1", "ffmpeg[version='!=6.1']"),
    ("ffmpeg~=6.1", "ffmpeg[version='~=6.1']"),
    ("ffmpeg >=6", "ffmpeg[version='>=6']"),
    ("ffmpeg >= 6", "ffmpeg[version='>=6']"),
    ("ffmpeg>=6.*", "ffmpeg[version='>=6']"),
    ("ffmpeg<8.*", "ffmpeg[version='<8']"),
    ("ffmpeg!=6.1.*", "ffmpeg[version='!=6.1.*']"),
    ("ffmpeg!=6.1*", "ffmpeg[version='!=6.1.*']"),
    ("ffmpeg~=6.1.*", "ffmpeg[version='~=6.1']"),
    ("ffmpeg>=6,<8", "ffmpeg[version='>=6,<8']"),
    ("ffmpeg >=6,<8", "ffmpeg[version='>=6,<8']"),
    ("ffmpeg >=6 , <8", "ffmpeg[version='>=6,<8']"),
    ("ffmpeg >=6, <8", "ffmpeg[version='>=6,<8']"),
    ("ffmpeg>=6.0a0,<8.0a0", "ffmpeg[version='>=6.0a0,<8.0a0']"),
    ("ffmpeg=6.1,<6.1.4", "ffmpeg[version='6.1.*,<6.1.4']"),
    ("ffmpeg=6.1,!=6.1.3", "ffmpeg[version='6.1.*,!=6.1.3']"),
    ("ffmpeg!=1,!=2", "ffmpeg[version='!=1,!=2']"),
    ("ffmpeg 6.*,>=6.2", "ffmpeg[version='6.*,>=6.2']"),
    ("ffmpeg=1,2", "ffmpeg[version='1.*,==2']"),
    ("ffmpeg 6.0|6.1", "ffmpeg[version='==6.0|==6.1']"),
    ("ffmpeg==6.0|==6.1", "ffmpeg[version='==6.0|==6.1']"),
    ("ffmpeg=6.0|6.1", "ffmpeg[version='6.0.*|==6.1']"),
    ("ffmpeg=6.0|=6.1", "ffmpeg[version='6.0.*|6.1.*']"),
    ("ffmpeg=6.0 | =6.1", "ffmpeg[version='6.0.*|6.1.*']"),
    ("ffmpeg 6.0.*|7.0.*", "ffmpeg[version='6.0.*|7.0.*']"),
    ("ffmpeg>=7|<5,!=2", "ffmpeg[version='>=7|<5,!=2']"),
    ("ffmpeg (>=7|<5),!=2", "ffmpeg[version='(>=7|<5),!=2']"),
    ("ffmpeg=6.1=0", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg=6.1=gpl_0", "ffmpeg[version='==6.1',build='gpl_0']"),
    ("ffmpeg=6.1=gpl*", "ffmpeg[version='==6.1',build='gpl*']"),
    ("ffmpeg==6.1=gpl_0", "ffmpeg[version='==6.1',build='gpl_0']"),
    ("ffmpeg 6.1 0", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg 6.1 gpl_0", "ffmpeg[version='==6.1',build='gpl_0']"),
    ("ffmpeg  6.1   0", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg 6.1 py*_0", "ffmpeg[version='==6.1',build='py*_0']"),
    ("ffmpeg=6.1 0", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg 6.1=0", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg =6.1 py*", "ffmpeg[version='==6.1',build='py*']"),
    ("ffmpeg=6.1.*=0", "ffmpeg[version='6.1.*',build='0']"),
    ("ffmpeg=6.*=*_cpython", "ffmpeg[version='6.*',build='*_cpython']"),
    ("ffmpeg=6.1*=py*", "ffmpeg[version='6.1.*',build='py*']"),
    ("ffmpeg 6.1.* *_cp312", "ffmpeg[version='6.1.*',build='*_cp312']"),
    ("ffmpeg>=6=0", "ffmpeg[version='>=6',build='0']"),
    ("ffmpeg >=6 h123_0", "ffmpeg[version='>=6',build='h123_0']"),
    ("ffmpeg>=6,<8 0", "ffmpeg[version='>=6,<8',build='0']"),
    ("ffmpeg >=6,<8 *_cpython", "ffmpeg[version='>=6,<8',build='*_cpython']"),
    ("ffmpeg>=6,<8=py*", "ffmpeg[version='>=6,<8',build='py*']"),
    ("ffmpeg 6.0|6.1=0", "ffmpeg[version='==6.0|==6.1',build='0']"),
    ("_libgcc_mutex 0.1 conda_forge", "_libgcc_mutex[version='==0.1',build='conda_forge']"),
    ("_openmp_mutex=4.5=2_gnu", "_openmp_mutex[version='==4.5',build='2_gnu']"),
    ("ffmpeg=6.1=^py.*$", "ffmpeg[version='==6.1',build='^py.*$']"),
    ("ffmpeg=*=gpl*", "ffmpeg[build='gpl*']"),
    ("ffmpeg * gpl*", "ffmpeg[build='gpl*']"),
    ("libblas=*=*mkl", "libblas[build='*mkl']"),
    ("ffmpeg[version='6.1']", "ffmpeg[version='==6.1']"),
    ('ffmpeg[version="6.1"]', "ffmpeg[version='==6.1']"),
    ("ffmpeg[version=6.1]", "ffmpeg[version='==6.1']"),
    ("ffmpeg[version='=6.1']", "ffmpeg[version='6.1.*']"),
    ("ffmpeg[version='==6.1']", "ffmpeg[version='==6.1']"),
    ("ffmpeg[version='6.1.*']", "ffmpeg[version='6.1.*']"),
    ("ffmpeg[version='=6.1.*']", "ffmpeg[version='6.1.*']"),
    ("ffmpeg[version='==6.1.*']", "ffmpeg[version='==6.1']"),
    ("ffmpeg[version='>=6,<8']", "ffmpeg[version='>=6,<8']"),
    ("ffmpeg[version=>=6]", "ffmpeg[version='>=6']"),
    ("ffmpeg[version='6.0|6.1']", "ffmpeg[version='==6.0|==6.1']"),
    ("ffmpeg[build=gpl*]", "ffmpeg[build='gpl*']"),
    ("ffmpeg[build='gpl_0']", "ffmpeg[build='gpl_0']"),
    ("ffmpeg[build='^py.*$']", "ffmpeg[build='^py.*$']"),
    ("ffmpeg[version=6.1,build=0]", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg[version=6.1, build=0]", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg [version='6.1']", "ffmpeg[version='==6.1']"),
    ("ffmpeg==6.1[build=0]", "ffmpeg[version='==6.1',build='0']"),
    ("ffmpeg==6.1[version='7']", "ffmpeg[version='==7']"),
    ("ffmpeg[build_number=3]", "ffmpeg[build_number='3']"),
    ("ffmpeg[build_number='>=3']", "ffmpeg[build_number='>=3']"),
    ("ffmpeg[license=MIT]", "ffmpeg[license='MIT']"),
    ("ffmpeg[subdir=noarch]", "ffmpeg[subdir='noarch']"),
    ("ffmpeg[channel=bioconda]", "bioconda::ffmpeg"),
    ("ffmpeg[md5=0123456789abcdef0123456789abcdef]", "ffmpeg[md5='0123456789abcdef0123456789abcdef']"),
    ("ffmpeg[]", "ffmpeg"),
    ("conda-forge::ffmpeg", "conda-forge::ffmpeg"),
    ("conda-forge::ffmpeg=6.1", "conda-forge::ffmpeg[version='6.1.*']"),
    ("conda-forge::ffmpeg 6.1 0", "conda-forge::ffmpeg[version='==6.1',build='0']"),
    ("conda-forge::ffmpeg>=6", "conda-forge::ffmpeg[version='>=6']"),
    ("conda-forge/linux-64::ffmpeg", "conda-forge::ffmpeg[subdir='linux-64']"),
    ("conda-forge/noarch::ffmpeg==6.1=0", "conda-forge::ffmpeg[version='==6.1',build='0',subdir='noarch']"),
    ("pytorch/label/dev::ffmpeg", "pytorch/label/dev::ffmpeg"),
    ("https://host.example/c::ffmpeg=6.1", "https://host.example/c::ffmpeg[version='6.1.*']"),
    ("https://host.example/c/linux-64::ffmpeg", "https://host.example/c::ffmpeg[subdir='linux-64']"),
    ("*::ffmpeg", "ffmpeg"),
    ("*/linux-64::ffmpeg>=1.0", "ffmpeg[version='>=1.0',subdir='linux-64']"),
    ("conda-forge::ffmpeg[version='>=6,<8',build='gpl*']", "conda-forge::ffmpeg[version='>=6,<8',build='gpl*']"),
    ("::ffmpeg", "ffmpeg"),
    ("ffmpeg # a word", "ffmpeg"),
    ("ffmpeg=6.1  # a word", "ffmpeg[version='6.1.*']"),
]


@pytest.mark.parametrize(("text", "meant"), FORMS)
def test_every_form_becomes_the_one_that_all_readers_read_alike(text: str, meant: str) -> None:
    assert str(read(text)) == meant
    assert str(read(meant)) == meant


@pytest.mark.skipif(importlib.util.find_spec("rattler") is None, reason="the extra `conda` is not installed")
@pytest.mark.parametrize("text", [text for text, _ in FORMS])
def test_the_library_reads_every_form_as_it_is_meant(text: str) -> None:
    from rattler import MatchSpec

    def fields(spec: MatchSpec) -> tuple[object, ...]:
        channel = spec.channel.base_url if spec.channel is not None and spec.channel.name != "*" else ""
        every = (None, "*")
        version = "" if spec.version in every else str(spec.version)
        build = "" if spec.build in every else str(spec.build)
        more = (spec.subdir or "", str(spec.build_number), spec.md5)
        return (str(spec.name).lower(), version, build, channel, *more)

    meant = fields(MatchSpec(text))
    found = read(text)
    # The solver reads strictly; conda's history is read as users write.
    assert fields(MatchSpec(str(found), strict=True)) == meant
    assert fields(MatchSpec(found.plain)) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a conda package"),
        ("a,b", "is not a conda package"),
        ("*", "is not a conda package"),
        ("a[", "is not a conda package"),
        ("a]", "is not a conda package"),
        ("a(optional)", "is not a version"),
        ("channel:space:a", "is not a conda package"),
        ("conda-forge::", "is not a conda package"),
        ("a=", "is not a version"),
        ("a==", "is not a version"),
        ("a===1", "is not a version"),
        ("a=>1", "is not a version"),
        ("a<", "is not a version"),
        ("a~1", "is not a version"),
        ("a>*", "is not a version"),
        ("a=3.12.", "is not a version"),
        ("a=='1.0'", "is not a version"),
        ("a 1.0 0 x", "is not a version"),
        ("a=1.0=py_0=x", "is not a version"),
        ("a>=1<2", "a comma must stand between"),
        ("a >=1 <2", "a comma must stand between"),
        ("a >=1 !=1.2", "a comma must stand between"),
        ("a>=1,", "a range is missing"),
        ("a (>=1|<0.5", "is not closed"),
        ("a 1.*.1", "no patterns in versions"),
        ("a[version='^1\\.0$']", "no patterns in versions"),
        ("a[version]", "brackets hold"),
        ("a[version='1]", "brackets hold"),
        ("a[optional]", "brackets hold"),
        ("a[name=b]", "does not know the field `name`"),
        ("a[features='x']", "does not know the field `features`"),
        ("a[md5=x]", "32 hexadecimal digits"),
        ("a[url=x]", "whole address"),
    ],
)
def test_what_the_solver_would_not_understand_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a", "a"),
        ("a=1.1", "a=1.1.*"),
        ("a 1.1", "a==1.1"),
        ("a>=1, <2", "a>=1,<2"),
        ("a=1.1=0", "a==1.1=0"),
        ("a=1.1=x*", "a[version='==1.1',build='x*']"),
        ("a=*=x*", "a[build='x*']"),
        ("c::a 1.1", "c::a==1.1"),
        ("c/noarch::a=1", "c::a=1.*[subdir='noarch']"),
    ],
)
def test_the_short_form_is_the_one_that_conda_reads(text: str, plain: str) -> None:
    assert read(text).plain == plain


def test_fields_that_nobody_gave_are_empty() -> None:
    assert read("a", where="conda.packages") == CondaSpec(name="a", where="conda.packages")
