// Package follow follows what lies on the disk: files and directories that others
// change while a program relies on them.
//
// A [Follower] calls a function whenever something may have changed: when the
// system tells of it, and at short intervals in any case. So a change is seen
// within a second also where the system tells of none: on NFS, in some mounts of
// containers, behind symbolic links, when a mount is exchanged or the kernel has no
// watches left.
//
// A [Stamp] tells without reading whether a file is the one that was read, and
// [Read] reads a file only once it is still: what is being written is [ErrBusy].
package follow
