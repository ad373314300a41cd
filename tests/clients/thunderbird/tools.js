// What the steps of every job need: accounts, folders and messages as Thunderbird itself has them.
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { Inbox, Trash, SentMail } = Ci.nsMsgFolderFlags;

const imap = () => MailServices.accounts.getAccount("account1");
const root = () => imap().incomingServer.rootFolder;
const special = flag => root().getFolderWithFlags(flag);
const named = name => root().descendants.find(folder => folder.name == name);
const message = (folder, subject) => [...folder.messages].find(known => known.mime2DecodedSubject == subject);
const subjects = folder => [...folder.messages].map(known => known.mime2DecodedSubject).sort();
const names = () => root().descendants.map(folder => folder.URI.replace(root().URI + "/", "")).sort();

function login(scheme, user, password) {
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  const origin = `${scheme}://127.0.0.1`;
  login.init(origin, null, origin, user, password, "", "");
  return Services.logins.addLoginAsync(login);
}

/** Until what was started says that it is at its end; a copy is later than what is copied. */
function done(start, copies = false) {
  return new Promise((resolve, reject) => {
    const end = status => Components.isSuccessCode(status) ? resolve() : reject(new Error("status " + status.toString(16)));
    const failed = status => Components.isSuccessCode(status) || end(status);
    start({
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener", "nsIMsgCopyServiceListener", "nsIUrlListener"]),
      onStartSending() {}, onSendProgress() {}, onProgress() {}, onStatus() {}, onGetDraftFolderURI() {},
      onStopSending(_id, status) { copies ? failed(status) : end(status); },
      onSendNotPerformed() { reject(new Error("not sent")); },
      onTransportSecurityError(_id, status) { reject(new Error("TLS " + status.toString(16))); },
      onStartCopy() {}, setMessageKey() {}, getMessageId() { return null; }, onStopCopy(status) { end(status); },
      OnStartRunningUrl() {}, OnStopRunningUrl(_url, status) { end(status); },
      onStartRunningUrl() {}, onStopRunningUrl(_url, status) { end(status); },
    });
  });
}

/** What Thunderbird knows once it is there: looked for now, and again whenever something happens to folders or mail. */
function appears(find) {
  return new Promise(resolve => {
    const look = () => {
      const found = find();
      if (found) {
        MailServices.mfn.removeListener(listener);
        MailServices.mailSession.RemoveFolderListener(folders);
        resolve(found);
      }
    };
    // Those who tell are not done with what they tell of.
    const later = () => Services.tm.dispatchToMainThread(look);
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgFolderListener"]),
      msgAdded: later, msgsClassified: later, msgsDeleted: later, msgsMoveCopyCompleted: later, msgKeyChanged: later,
      msgsJunkStatusChanged: later, msgUnincorporatedMoved: later,
      folderAdded: later, folderDeleted: later, folderMoveCopyCompleted: later, folderRenamed: later,
      folderCompactStart: later, folderCompactFinish: later, folderReindexTriggered: later,
    };
    const folders = {
      QueryInterface: ChromeUtils.generateQI(["nsIFolderListener"]),
      onFolderAdded: later, onMessageAdded: later, onFolderRemoved: later, onMessageRemoved: later,
      onFolderPropertyChanged: later, onFolderIntPropertyChanged: later, onFolderBoolPropertyChanged: later,
      onFolderPropertyFlagChanged: later, onFolderEvent: later,
    };
    MailServices.mfn.addListener(listener, 0xffff);
    MailServices.mailSession.AddFolderListener(folders, Ci.nsIFolderListener.all);
    look();
  });
}

/** Asks the server for a folder's news, after all that was asked of it before. */
const update = folder => done(listener => folder.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, listener));

async function logins({ user, password }) {
  await login("imap", user, password);
  await login("smtp", user, password);
}

/** Logs in, and finds the folders. */
async function begin(config) {
  await logins(config);
  imap().incomingServer.performExpand(null);
  const inbox = await appears(() => special(Inbox));
  await update(inbox);
  // It makes itself one where the server has none.
  await appears(() => special(Trash));
}

/** Sends a message that is there as a file. */
async function sendFile({ address, subject, file: path }) {
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  fields.from = address;
  fields.to = address;
  fields.subject = subject;
  const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
  await done(listener => send.sendMessageFile(imap().defaultIdentity, imap().key, fields, file(path), false, false,
    Ci.nsIMsgSend.nsMsgDeliverNow, null, listener, null));
  return true;
}

function file(path) {
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(path);
  return file;
}

/** The bytes of a message as text, a character each. */
function read(folder, header) {
  const uri = folder.getUriForMsg(header);
  return new Promise((resolve, reject) => {
    let text = "";
    MailServices.messageServiceFromURI(uri).streamMessage(uri, {
      QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
      onStartRequest() {},
      onDataAvailable(_request, stream, _offset, count) {
        const readable = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
        readable.init(stream);
        text += readable.read(count);
      },
      onStopRequest(_request, status) {
        Components.isSuccessCode(status) ? resolve(text) : reject(new Error("stream " + status.toString(16)));
      },
    }, null, null, false, "", false);
  });
}
