// Package follow watches files and directories that other programs change.
//
// A [Follower] calls a function whenever something may have changed: after events of the
// system, and at short intervals. It therefore notices changes within a second even where
// there are no events: on NFS, in some mounts of containers, behind symbolic links, when
// a mount is replaced, or when the kernel has no watches left.
//
// A [Stamp] shows, without reading a file, that it hasn't changed. [Read] reads only
// complete files: while a file is being written, it returns [ErrBusy].
package follow
