#include "engine/data/cifar10.h"

#include <algorithm>
#include <span>

#include "engine/core/file.h"
#include "engine/data/sources.h"
#include "engine/data/tar_reader.h"
#include "engine/data/threads.h"

namespace engine {

const std::array<std::string, 10> Cifar10::kClasses = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

namespace {

constexpr int64_t kPlane = 32 * 32;
constexpr int64_t kImage = 3 * kPlane;
constexpr int64_t kRecord = 1 + kImage;
constexpr int kFiles = 6;  // five of training images, one of test images

std::string file_name(int file) {
  return file < 5 ? fmt::format("data_batch_{}.bin", file + 1) : "test_batch.bin";
}

class Loader {
 public:
  explicit Loader(const Cifar10& layout) : records_(layout.records) {
    data_.image = {1, 32, 32, 3};
    data_.classes.assign(Cifar10::kClasses.begin(), Cifar10::kClasses.end());
    reserve(data_.train, 5 * records_, 0);
    reserve(data_.test, records_, 5 * records_);
  }

  uint64_t file_bytes() const { return static_cast<uint64_t>(records_ * kRecord); }

  void check_size(const std::string& where, uint64_t size) const {
    if (size == file_bytes()) return;
    fail(ExitCode::data, "{}: is {} bytes long, expected {} ({} records of {}); {}", where, size,
         file_bytes(), records_, kRecord,
         size < file_bytes() ? fmt::format("it ends at offset {}, inside or before record {}", size,
                                           static_cast<int64_t>(size) / kRecord)
                             : "is it another file?");
  }

  /// Record `index` of a file: planes become pixels.
  void take(const std::string& where, int file, int64_t index, const uint8_t* record) {
    if (record[0] > 9) {
      fail(ExitCode::data, "{}: at offset {}: label {}, expected 0 to 9", where, index * kRecord,
           record[0]);
    }
    ImageSet& set = file < 5 ? data_.train : data_.test;
    const int64_t image = (file < 5 ? file * records_ : 0) + index;
    set.labels[image] = record[0];
    const uint8_t* planes = record + 1;
    uint8_t* pixels = &set.pixels[image * kImage];
    for (int64_t i = 0; i < kPlane; ++i) {
      for (int64_t c = 0; c < 3; ++c) pixels[3 * i + c] = planes[c * kPlane + i];
    }
  }

  void check_names(const std::string& where, const std::string& text) const {
    size_t begin = 0;
    for (const std::string& expected : Cifar10::kClasses) {
      size_t end = std::min(text.find('\n', begin), text.size());
      std::string line = text.substr(begin, end - begin);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line != expected) {
        fail(ExitCode::data, "{}: at offset {}: expected the class name \"{}\", got \"{}\"", where,
             begin, expected, line.substr(0, 40));
      }
      begin = std::min(end + 1, text.size());
    }
  }

  Dataset finish(const std::string& where) {
    check_balance(where, data_.train, records_ / 2, "training");
    check_balance(where, data_.test, records_ / 10, "test");
    return std::move(data_);
  }

 private:
  static void reserve(ImageSet& set, int64_t count, int32_t first_sample) {
    allocate_pixels(set, {count, 32, 32, 3});
    set.labels.resize(count);
    set.samples.resize(count);
    for (int64_t i = 0; i < count; ++i) set.samples[i] = first_sample + static_cast<int32_t>(i);
  }

  void check_balance(const std::string& where, const ImageSet& set, int64_t expected,
                     std::string_view split) const {
    std::array<int64_t, 10> counts{};
    for (int32_t label : set.labels) ++counts[label];
    for (size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == expected) continue;
      fail(ExitCode::data,
           "{}: {} {} images of class \"{}\", expected {}: these are not CIFAR-10's files, or some "
           "have "
           "changed places",
           where, counts[c], split, Cifar10::kClasses[c], expected);
    }
  }

  int64_t records_;
  Dataset data_;
};

/// One record after the other, through a buffer of some.
template <class Read>
void take_file(Loader& loader, const std::string& where, int file, int64_t records,
               const Read& read) {
  constexpr int64_t kChunk = 64;
  std::vector<uint8_t> buffer(kChunk * kRecord);
  for (int64_t first = 0; first < records; first += kChunk) {
    const int64_t count = std::min(kChunk, records - first);
    read(buffer.data(), static_cast<uint64_t>(count * kRecord));
    for (int64_t i = 0; i < count; ++i) {
      loader.take(where, file, first + i, &buffer[i * kRecord]);
    }
  }
}

Dataset load_folder(const std::string& folder, int threads, const Cifar10& layout) {
  Loader loader(layout);
  const std::string names = folder + "/batches.meta.txt";
  if (exists(names)) loader.check_names(names, read_text(names, 65536));
  on_threads(threads, kFiles, 1, [&](int64_t file) {
    const std::string path = folder + "/" + file_name(static_cast<int>(file));
    InputFile input(path, ExitCode::data);
    loader.check_size(path, input.size());
    take_file(loader, path, static_cast<int>(file), layout.records,
              [&](void* to, uint64_t bytes) { input.read(to, bytes); });
  });
  return loader.finish(folder);
}

Dataset load_archive(const std::string& archive, const Cifar10& layout) {
  Loader loader(layout);
  TarReader tar(archive);
  TarReader::Member member;
  std::array<bool, kFiles> found{};
  while (tar.next(member)) {
    const std::string where = archive + ": " + member.name;
    const std::string folder = std::string(Cifar10::kFolder) + "/";
    if (member.name == folder + "batches.meta.txt" && member.size <= 65536) {
      std::string text(member.size, '\0');
      tar.read(text.data(), text.size());
      loader.check_names(where, text);
    }
    for (int file = 0; file < kFiles; ++file) {
      if (member.name != folder + file_name(file)) continue;
      if (found[file]) fail(ExitCode::data, "{}: is in the archive twice", where);
      found[file] = true;
      loader.check_size(where, member.size);
      take_file(loader, where, file, layout.records,
                [&](void* to, uint64_t bytes) { tar.read(to, bytes); });
    }
  }
  for (int file = 0; file < kFiles; ++file) {
    if (!found[file]) {
      fail(ExitCode::data, "{}: has no member \"{}/{}\"", archive, Cifar10::kFolder,
           file_name(file));
    }
  }
  return loader.finish(archive);
}

}  // namespace

std::string find_cifar10(const std::string& data_dir) {
  const std::string folder = data_dir + "/" + Cifar10::kFolder;
  const std::string archive = data_dir + "/" + Cifar10::kArchive;
  if (is_folder(folder)) return folder;
  if (exists(archive)) return archive;
  fail(ExitCode::data,
       "CIFAR-10 not found: neither {} nor {} is there; get it with: engine data fetch --data-dir "
       "{}",
       folder, archive, data_dir);
}

Dataset load_cifar10(const std::string& data_dir, int threads, const Cifar10& layout) {
  return load_cifar10_from(find_cifar10(data_dir), threads, layout);
}

Dataset load_cifar10_from(const std::string& place, int threads, const Cifar10& layout) {
  return is_folder(place) ? load_folder(place, threads, layout) : load_archive(place, layout);
}

}  // namespace engine
