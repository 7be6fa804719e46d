#include "engine/data/image_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "engine/core/file.h"
#include "engine/data/image_cache.h"
#include "engine/data/image_files.h"
#include "engine/data/limits.h"
#include "engine/data/sources.h"
#include "engine/data/threads.h"

namespace engine {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

Folder open_folder(const std::string& path) {
  Folder folder(opendir(path.c_str()));
  if (!folder) {
    fail(ExitCode::data, "{}: cannot open the folder: {}{}", path, std::strerror(errno),
         errno == ENOENT
             ? "; an image folder has train/<class>/ and test/<class>/ with .jpg or .png files"
             : "");
  }
  return folder;
}

std::vector<ImageEntry> list_class(const std::string& split, const std::string& name,
                                   int32_t label) {
  const std::string path = split + "/" + name;
  const Folder folder = open_folder(path);
  std::vector<ImageEntry> entries;
  while (const dirent* item = readdir(folder.get())) {
    if (!is_image_name(item->d_name)) continue;
    struct stat info {};
    if (fstatat(dirfd(folder.get()), item->d_name, &info, 0) != 0) {
      fail(ExitCode::data, "{}/{}: cannot look at the file: {}", path, item->d_name,
           std::strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) continue;
    entries.push_back({label, name + "/" + item->d_name, static_cast<uint64_t>(info.st_size),
                       info.st_mtim.tv_sec * int64_t{1000000000} + info.st_mtim.tv_nsec});
  }
  if (entries.empty()) {
    fail(ExitCode::data,
         "{}: has no .jpg, .jpeg or .png files; remove the folder or put images there", path);
  }
  std::sort(entries.begin(), entries.end(),
            [](const ImageEntry& a, const ImageEntry& b) { return a.name < b.name; });
  return entries;
}

std::vector<std::string> list_folders(const std::string& path) {
  const Folder folder = open_folder(path);
  std::vector<std::string> names;
  while (const dirent* item = readdir(folder.get())) {
    if (item->d_name[0] == '.') continue;
    struct stat info {};
    if (fstatat(dirfd(folder.get()), item->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode)) {
      names.emplace_back(item->d_name);
    }
  }
  std::sort(names.begin(), names.end());
  if (names.empty()) fail(ExitCode::data, "{}: has no folders; expected one for each class", path);
  if (names.size() > kDataLimits.classes) {
    fail(ExitCode::data, "{}: has {} folders, expected at most {} classes", path, names.size(),
         kDataLimits.classes);
  }
  return names;
}

std::vector<ImageEntry> list_split(const std::string& root, const char* split,
                                   const std::vector<std::string>& classes, int threads) {
  const std::string path = root + "/" + split;
  const std::vector<std::string> present = list_folders(path);
  std::vector<std::vector<ImageEntry>> lists(present.size());
  on_threads(threads, static_cast<int64_t>(present.size()), 1, [&](int64_t i) {
    const auto place = std::lower_bound(classes.begin(), classes.end(), present[i]);
    if (place == classes.end() || *place != present[i]) {
      fail(ExitCode::data, "{}/{}: there is no class of this name in {}/train", path, present[i],
           root);
    }
    lists[i] = list_class(path, present[i], static_cast<int32_t>(place - classes.begin()));
  });
  std::vector<ImageEntry> all;
  for (auto& list : lists) std::move(list.begin(), list.end(), std::back_inserter(all));
  if (all.size() > kDataLimits.files) {
    fail(ExitCode::data, "{}: has {} images, expected at most {}", path, all.size(),
         kDataLimits.files);
  }
  return all;
}

void take_share(std::vector<ImageEntry>& entries, int64_t limit) {
  const std::vector<int64_t> chosen = spread(static_cast<int64_t>(entries.size()), limit);
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (static_cast<size_t>(chosen[i]) != i) entries[i] = std::move(entries[chosen[i]]);
  }
  entries.resize(chosen.size());
}

/// Decodes entries into set; what cannot be read is left out and listed when skip_bad, else an
/// error.
void decode_split(const std::string& folder, const std::vector<ImageEntry>& entries,
                  const DataConfig& config, const DataOptions& options, ImageSet& set,
                  std::vector<std::string>& skipped) {
  const auto count = static_cast<int64_t>(entries.size());
  const int64_t bytes = config.size.h * config.size.w * config.channels;
  allocate_pixels(set, {count, config.size.h, config.size.w, config.channels});
  std::vector<std::string> reasons(entries.size());
  const Shape shape{1, config.size.h, config.size.w, config.channels};
  ImageReader reader;
  on_threads(options.threads, count, 32, [&](int64_t i) {
    try {
      reader.read(folder + "/" + entries[i].name, shape, config.fit, &set.pixels[i * bytes]);
    } catch (const Error& error) {
      if (!options.skip_bad || error.code() != ExitCode::data) {
        fail(error.code(), "{}\n(--skip-bad goes on without unreadable images and lists them)",
             error.what());
      }
      reasons[i] = error.what();
    }
  });
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!reasons[i].empty()) {
      skipped.push_back(std::move(reasons[i]));
      continue;
    }
    if (kept != i) std::memcpy(&set.pixels[kept * bytes], &set.pixels[i * bytes], bytes);
    set.labels.push_back(entries[i].label);
    ++kept;
  }
  set.pixels.resize(static_cast<size_t>(kept * bytes));
  set.shape.n = kept;
  if (kept == 0) fail(ExitCode::data, "{}: not one image could be read", folder);
}

}  // namespace

std::string image_folder_root(const DataConfig& config, const std::string& data_dir) {
  const std::string& path = config.path;
  bool leaves = !path.empty() && path[0] == '/';
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    leaves = leaves || path.compare(begin, end - begin, "..") == 0;
    begin = end + 1;
  }
  if (leaves || path.find('\0') != std::string::npos) {
    fail(ExitCode::experiment,
         "data.path: expected a folder below the data folder, got \"{}\"; --data-dir says where "
         "the data "
         "folder is",
         path);
  }
  std::string root = path.empty() ? data_dir : data_dir + "/" + path;
  if (!is_folder(root)) {
    fail(ExitCode::data,
         "{}: no such folder; data.path is relative to the data folder, which --data-dir or "
         "$ENGINE_DATA name",
         root);
  }
  return root;
}

std::vector<std::string> list_classes(const std::string& root) {
  return list_folders(root + "/train");
}

FolderListing list_images(const std::string& root, int threads) {
  FolderListing listing;
  listing.classes = list_classes(root);
  listing.train = list_split(root, "train", listing.classes, threads);
  listing.test = list_split(root, "test", listing.classes, threads);
  return listing;
}

Dataset load_image_folder(const DataConfig& config, const DataOptions& options) {
  const std::string root = image_folder_root(config, options.data_dir);
  FolderListing listing = list_images(root, options.threads);
  take_share(listing.train, config.limit);
  take_share(listing.test, config.test_limit);
  Dataset data;
  data.image = {1, config.size.h, config.size.w, config.channels};
  data.classes = listing.classes;
  const ImageCache cache(options.data_dir, config, listing);
  if (!cache.load(data, options)) {
    decode_split(root + "/train", listing.train, config, options, data.train, data.skipped);
    decode_split(root + "/test", listing.test, config, options, data.test, data.skipped);
    number_samples(data);
    data.fingerprint = fingerprint(data);
    cache.store(data);
  }
  return data;
}

}  // namespace engine
