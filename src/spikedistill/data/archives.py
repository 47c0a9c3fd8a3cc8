"""Archives of data are unpacked within bounds: into one folder, plain files only, no more bytes than are expected."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from spikedistill.errors import InputError, shown


def unpack_zip(archive: Path, folder: Path, top: str, wanted: Callable[[str], bool], most: int) -> None:
    """Unpack the wanted files of a zip archive.

    Args:
        archive: The file.
        folder: Where they are put.
        top: Folder in the archive that they lie in; it is left out of their names.
        wanted: Says of a name in that folder whether the file is.
        most: Bytes that all of them together may have.

    Raises:
        InputError: the archive is damaged, larger, or has a name that leads out of a folder, or a link. Nothing of it
            has been written then where a name is wrong, and nothing outside the folder ever is.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            found = {name: info for info in file.infolist() if (name := _inside(info, archive, top)) and wanted(name)}
            if sum(info.file_size for info in found.values()) > most:
                raise InputError(f"{archive} unpacks to more than {most} bytes. It is not the published file.")
            for name, info in found.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(info) as source, target.open("xb") as copy:  # no more than info.file_size: zipfile's
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, FileExistsError) as error:
        raise InputError(f"{archive} cannot be unpacked: {type(error).__name__}: {error}.") from error


def _inside(info: zipfile.ZipInfo, archive: Path, top: str) -> str:
    """Return a file's name below `top`; an empty one for folders and what is elsewhere in the archive."""
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in info.filename or "\0" in info.orig_filename:
        raise InputError(f"{archive} would write outside its folder: {shown(info.orig_filename)}. Get it elsewhere.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"{archive} holds a link or a device: {shown(info.filename)}. Get it elsewhere.")
    if info.is_dir() or path.parts[:1] != (top,) or len(path.parts) < 2:
        return ""
    return str(PurePosixPath(*path.parts[1:]))
