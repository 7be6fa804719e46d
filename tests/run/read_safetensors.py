"""An independent reader of safetensors files, standard library only: prints what is in one as JSON."""
import array, json, struct, sys

content = open(sys.argv[1], "rb").read()
(length,) = struct.unpack("<Q", content[:8])
header = json.loads(content[8 : 8 + length].decode("utf-8"))
data = content[8 + length :]
assert (8 + length) % 8 == 0, "data are not aligned"
result, end = {"metadata": header.pop("__metadata__", {}), "tensors": {}}, 0
codes = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "U8": "B"}
for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
    begin, stop = entry["data_offsets"]
    assert begin == end, "hole or overlap at " + name
    values = array.array(codes[entry["dtype"]])
    values.frombytes(data[begin:stop])
    elements = 1
    for dim in entry["shape"]:
        elements *= dim
    assert len(values) == elements, "shape of " + name
    result["tensors"][name] = {"dtype": entry["dtype"], "shape": entry["shape"], "values": list(values)}
    end = stop
assert end == len(data), "trailing bytes"
print(json.dumps(result))
