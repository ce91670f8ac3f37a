export { CaseScreen } from "./case/screen";
