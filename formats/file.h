// Files as the formats read and write them: mapped whole for reading, written so that nobody ever
// sees half of one.
#ifndef ERGO_FORMATS_FILE_H_
#define ERGO_FORMATS_FILE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "kernels/base/status.h"

namespace ergo {

// A file's bytes, mapped read-only; unmapped with the last owner. Immutable, so thread-safe, as
// long as nobody truncates the file meanwhile.
class MappedFile {
 public:
  // NotFound, DeviceError, or ResourceExhausted above `max_bytes`. Only regular files.
  static Result<std::shared_ptr<const MappedFile>> Open(const std::string& path, int64_t max_bytes);
  // The same for a file below `folder` that somebody else named: `relative` may neither be
  // absolute, nor contain "..", nor go through a symbolic link (InvalidArgument), checked against
  // the open files themselves, so that nothing can be exchanged between check and use.
  static Result<std::shared_ptr<const MappedFile>> OpenBeneath(const std::string& folder,
                                                               std::string_view relative,
                                                               int64_t max_bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> Bytes() const { return bytes_; }

 private:
  MappedFile() = default;
  static Result<std::shared_ptr<const MappedFile>> Map(int descriptor, const std::string& path,
                                                       int64_t max_bytes);
  std::span<const std::byte> bytes_;
};

// Writes to a temporary name beside `path`, syncs, and renames over it. After an error (of `write`
// too) neither a partial nor a temporary file is left.
class FileWriter {
 public:
  static Result<FileWriter> Create(const std::string& path);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();  // without Commit: removes the temporary file

  Status Write(std::span<const std::byte> bytes);
  Status Write(std::string_view text);
  // Zeros up to the next multiple of `alignment`.
  Status Align(size_t alignment);
  int64_t Offset() const { return offset_; }
  Status Commit();

 private:
  FileWriter() = default;
  std::string path_, temporary_;
  int descriptor_ = -1;
  int64_t offset_ = 0;
};

}  // namespace ergo

#endif  // ERGO_FORMATS_FILE_H_
