#include "formats/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

Status SystemError(const std::string& path, const char* what) {
  const int error = errno;
  const StatusCode code = error == ENOENT ? StatusCode::kNotFound : StatusCode::kDeviceError;
  return Error(code, "{}: {}: {}", path, what, std::strerror(error));
}

// An open file, closed with it.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() {
    const int error = errno;  // kept for the message about what failed before
    if (descriptor_ >= 0) close(descriptor_);
    errno = error;
  }
  int Get() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path,
                                                           int64_t max_bytes) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.Get() < 0) return SystemError(path, "cannot open");
  return Map(file.Get(), path, max_bytes);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::OpenBeneath(const std::string& folder,
                                                                  std::string_view relative,
                                                                  int64_t max_bytes) {
  const std::string path = fmt::format("{}/{}", folder, relative);
  if (relative.starts_with('/') || relative.find('\0') != std::string_view::npos) {
    return InvalidArgument("'{}' is not a path relative to the model's folder", relative);
  }
  Descriptor at(open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY));
  if (at.Get() < 0) return SystemError(folder, "cannot open the folder");
  for (bool last = false; !last;) {
    const size_t slash = relative.find('/');
    last = slash == std::string_view::npos;
    const std::string part(relative.substr(0, slash));
    if (!last) relative.remove_prefix(slash + 1);
    if (part == "..") return InvalidArgument("{}: '..' may lead out of the model's folder", path);
    if (!last && (part.empty() || part == ".")) continue;
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY);
    Descriptor next(openat(at.Get(), part.c_str(), flags));
    if (next.Get() < 0) {
      struct stat info {};
      if (fstatat(at.Get(), part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISLNK(info.st_mode)) {
        return InvalidArgument(
            "{}: '{}' is a symbolic link, which may lead out of the model's folder", path, part);
      }
      return SystemError(path, "cannot open");
    }
    at = std::move(next);
  }
  return Map(at.Get(), path, max_bytes);
}

Result<std::shared_ptr<const MappedFile>> MappedFile::Map(int descriptor, const std::string& path,
                                                          int64_t max_bytes) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return SystemError(path, "cannot read its size");
  if (!S_ISREG(info.st_mode)) return InvalidArgument("{}: not a regular file", path);
  if (info.st_size > max_bytes) {
    return ResourceExhausted("{}: {} bytes are above the limit of {}", path, info.st_size,
                             max_bytes);
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  if (info.st_size > 0) {
    const size_t size = static_cast<size_t>(info.st_size);
    void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) return SystemError(path, "cannot map");
    file->bytes_ = {static_cast<const std::byte*>(data), size};
  }
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<FileWriter> FileWriter::Create(const std::string& path) {
  FileWriter writer;
  writer.path_ = path;
  std::string name = path + ".tmp-XXXXXX";
  writer.descriptor_ = mkostemp(name.data(), O_CLOEXEC);
  if (writer.descriptor_ < 0) return SystemError(path, "cannot create a temporary file beside it");
  writer.temporary_ = std::move(name);
  return writer;
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, "")),
      descriptor_(std::exchange(other.descriptor_, -1)),
      offset_(other.offset_) {}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status FileWriter::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError(path_, "cannot write");
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset_ += written;
  }
  return {};
}

Status FileWriter::Write(std::string_view text) {
  return Write(std::as_bytes(std::span(text.data(), text.size())));
}

Status FileWriter::Align(size_t alignment) {
  constexpr std::array<std::byte, 4096> kZeros{};
  ERGO_CHECK(alignment <= kZeros.size());
  const size_t offset = static_cast<size_t>(offset_);
  return Write(std::span(kZeros).first(RoundUp(offset, alignment) - offset));
}

Status FileWriter::Commit() {
  // mkostemp makes files private; a model is as readable as any other file the user writes.
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(descriptor_, 0666 & ~mask) != 0) return SystemError(path_, "cannot set permissions");
  if (fsync(descriptor_) != 0) return SystemError(path_, "cannot sync");
  const int descriptor = std::exchange(descriptor_, -1);
  if (close(descriptor) != 0) return SystemError(path_, "cannot close");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    return SystemError(path_, "cannot rename the temporary file over it");
  }
  temporary_.clear();
  return {};
}

}  // namespace ergo
