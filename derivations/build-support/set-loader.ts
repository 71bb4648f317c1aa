/**
 * A Python program, `set-loader FILE LOADER LIBRARIES`, that makes a dynamic executable start with another loader and
 * look for its libraries in one directory. It moves nothing: the loader's name is appended to the file, where
 * the kernel alone reads it. The directory goes into the room that is left between two segments, and the entry that it
 * needs takes the place of one that is there for debuggers.
 */
export const setLoader = `
import struct, sys

file, loader, libraries = sys.argv[1], sys.argv[2].encode() + b'\\0', sys.argv[3].encode() + b'\\0'
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
STRINGS, DEBUG, RUNPATH = 5, 0x15, 0x1d
HEADER = struct.Struct('<IIQQQQQQ')
ENTRY = struct.Struct('<QQ')

data = bytearray(open(file, 'rb').read())
assert data[:6] == b'\\x7fELF\\x02\\x01', 'not a 64-bit executable'
start, = struct.unpack_from('<Q', data, 32)
size, count = struct.unpack_from('<HH', data, 54)
assert size == HEADER.size
places = [start + size * index for index in range(count)]
headers = {place: list(HEADER.unpack_from(data, place)) for place in places}

def of(kind):
    return [place for place in places if headers[place][0] == kind]

def set_header(place, **fields):
    for name, value in fields.items():
        headers[place][('type', 'flags', 'offset', 'address', 'physical', 'stored', 'size').index(name)] = value
    HEADER.pack_into(data, place, *headers[place])

# The first segment is grown over the directory's name, which is then part of what is mapped.
first, second = of(LOAD)[:2]
_, flags, offset, address, _, stored, length, _ = headers[first]
end, free = offset + stored, headers[second][2] - offset - stored
assert stored == length, 'the first segment has no end to grow at'
assert free >= len(libraries) and not any(data[end:end + free]), 'no room for the directory'
data[end:end + len(libraries)] = libraries
set_header(first, stored=stored + len(libraries), size=length + len(libraries))

dynamic, = of(DYNAMIC)
entries = range(headers[dynamic][2], headers[dynamic][2] + headers[dynamic][5], ENTRY.size)
tags = {ENTRY.unpack_from(data, at)[0]: at for at in reversed(entries)}
assert RUNPATH not in tags and DEBUG in tags, 'no entry to put the directory in'
_, strings = ENTRY.unpack_from(data, tags[STRINGS])
ENTRY.pack_into(data, tags[DEBUG], RUNPATH, address + stored - strings)

interpreter, = of(INTERPRETER)
set_header(interpreter, offset=len(data), stored=len(loader), size=len(loader))
data += loader
open(file, 'wb').write(data)
`
