#include "engine/data/image_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/core/file.h"
#include "engine/data/image_folder.h"
#include "engine/data/sources.h"
#include "engine/data/threads.h"

namespace engine {
namespace {

constexpr char kMagic[8] = {'E', 'N', 'G', 'C', 'A', 'C', 'H', '2'};

/// The file: this, then the labels of training and test images, the list of skipped images (each
/// line's length, then its text), and the pixels of training and test images. All little-endian.
struct Header {
  char magic[8];
  int64_t train, test, h, w, c;
  uint64_t skipped_bytes;
  char fingerprint[32];  ///< of the images and labels
  uint64_t skipped_hash;
  uint64_t hash;  ///< of the fields before
};

uint64_t hash_of(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, hash));
}

void add(std::string& text, std::string_view part) {
  const uint64_t size = part.size();
  text.append(reinterpret_cast<const char*>(&size), sizeof size);
  text.append(part);
}

std::string pack(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) add(text, line);
  return text;
}

bool unpack(std::string_view text, std::vector<std::string>& lines) {
  while (!text.empty()) {
    uint64_t size = 0;
    if (text.size() < sizeof size) return false;
    std::memcpy(&size, text.data(), sizeof size);
    text.remove_prefix(sizeof size);
    if (size > text.size()) return false;
    lines.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return true;
}

std::string hash_entries(const std::vector<ImageEntry>& entries) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       XXH3_freeState);
  XXH3_64bits_reset(state.get());
  for (const ImageEntry& entry : entries) {
    const int64_t numbers[] = {entry.label, static_cast<int64_t>(entry.size), entry.mtime_ns,
                               static_cast<int64_t>(entry.name.size())};
    XXH3_64bits_update(state.get(), numbers, sizeof numbers);
    XXH3_64bits_update(state.get(), entry.name.data(), entry.name.size());
  }
  return fmt::format("{:016x}", XXH3_64bits_digest(state.get()));
}

/// Reads the pixels on all threads: copying out of the system's cache is what takes the time.
void read_pixels(const std::string& path, uint64_t offset, std::vector<uint8_t>& pixels,
                 int threads) {
  constexpr uint64_t kPart = uint64_t{4} << 20;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ExitCode::data, "{}: cannot open", path);
  std::atomic<bool> whole{true};
  on_threads(threads, static_cast<int64_t>((pixels.size() + kPart - 1) / kPart), 1, [&](int64_t i) {
    uint64_t at = i * kPart;
    const uint64_t end = std::min<uint64_t>(at + kPart, pixels.size());
    while (at < end) {
      const ssize_t got = pread(fd, &pixels[at], end - at, static_cast<off_t>(offset + at));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        whole = false;
        return;
      }
      at += static_cast<uint64_t>(got);
    }
  });
  close(fd);
  if (!whole) fail(ExitCode::data, "{}: cannot read", path);
}

}  // namespace

ImageCache::ImageCache(const std::string& data_dir, const DataConfig& config,
                       const FolderListing& listing)
    : folder_(data_dir + "/.engine-cache") {
  const std::string settings =
      fmt::format("{} {}x{}x{} {} {} {}", config.path, config.size.h, config.size.w,
                  config.channels, static_cast<int>(config.fit), config.limit, config.test_limit);
  settings_ = hash_hex(settings).substr(0, 16);
  std::string content = std::string(kMagic, sizeof kMagic);
  content += hash_entries(listing.train) + hash_entries(listing.test);
  for (const std::string& name : listing.classes) add(content, name);
  path_ = fmt::format("{}/{}-{}.bin", folder_, settings_, hash_hex(content).substr(0, 16));
}

bool ImageCache::load(Dataset& data, const DataOptions& options) const {
  if (!exists(path_)) return false;
  try {
    InputFile file(path_, ExitCode::data);
    Header header;
    file.read(&header, sizeof header);
    if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.hash != hash_of(header)) {
      return false;
    }
    const Shape image{1, header.h, header.w, header.c};
    if (image != data.image || (header.skipped_bytes > 0 && !options.skip_bad)) return false;
    const auto most = static_cast<int64_t>(file.size());
    if (header.train < 0 || header.test < 0 || header.train > most || header.test > most)
      return false;
    const auto bytes = static_cast<uint64_t>((header.train + header.test) * (4 + image.elements()));
    if (file.size() != sizeof header + bytes + header.skipped_bytes) return false;
    Dataset found;
    found.train.labels.resize(header.train);
    found.test.labels.resize(header.test);
    std::string skipped(header.skipped_bytes, '\0');
    file.read(found.train.labels.data(), sizeof(int32_t) * found.train.labels.size());
    file.read(found.test.labels.data(), sizeof(int32_t) * found.test.labels.size());
    file.read(skipped.data(), skipped.size());
    for (ImageSet* set : {&found.train, &found.test}) {
      allocate_pixels(*set, image.with_batch(static_cast<int64_t>(set->labels.size())));
    }
    read_pixels(path_, file.offset(), found.train.pixels, options.threads);
    read_pixels(path_, file.offset() + found.train.pixels.size(), found.test.pixels,
                options.threads);
    found.fingerprint = fingerprint(found);
    if (found.fingerprint != std::string_view(header.fingerprint, sizeof header.fingerprint) ||
        XXH3_64bits(skipped.data(), skipped.size()) != header.skipped_hash ||
        !unpack(skipped, found.skipped)) {
      return false;
    }
    number_samples(found);
    data.train = std::move(found.train);
    data.test = std::move(found.test);
    data.fingerprint = std::move(found.fingerprint);
    data.skipped = std::move(found.skipped);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void ImageCache::store(const Dataset& data) const {
  const std::string skipped = pack(data.skipped);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.train = data.train.shape.n;
  header.test = data.test.shape.n;
  header.h = data.image.h;
  header.w = data.image.w;
  header.c = data.image.c;
  header.skipped_bytes = skipped.size();
  std::memcpy(header.fingerprint, data.fingerprint.data(), sizeof header.fingerprint);
  header.skipped_hash = XXH3_64bits(skipped.data(), skipped.size());
  header.hash = hash_of(header);
  const auto bytes = [](const auto& items) { return std::as_bytes(std::span(items)); };
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(&header, 1)),
                                               bytes(data.train.labels),
                                               bytes(data.test.labels),
                                               bytes(skipped),
                                               bytes(data.train.pixels),
                                               bytes(data.test.pixels)};
  try {
    make_folders(real_files(), folder_);
    save_file(real_files(), path_, Pieces(pieces));
  } catch (const Error&) {
    return;  // the next run decodes again
  }
  // What the same settings had before the folder changed.
  const std::string mine = path_.substr(folder_.size() + 1);
  std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(folder_.c_str()), closedir);
  while (const dirent* item = folder ? readdir(folder.get()) : nullptr) {
    const std::string_view name = item->d_name;
    if (name.starts_with(settings_ + "-") && name != mine) {
      unlink((folder_ + "/" + std::string(name)).c_str());
    }
  }
}

}  // namespace engine
